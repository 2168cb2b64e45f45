from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from callbacks.known import IMAGES, PEOPLE
from PIL import Image
from torch import Tensor

from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.training.sources import RunData


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    """Noise images of eight people with nine values of one attribute each."""
    folder: Path = tmp_path_factory.mktemp("faces")
    draw = np.random.default_rng(0)
    rows = []
    for person in range(PEOPLE):
        for image in range(IMAGES):
            path = f"{person}_{image}.png"
            pixels = draw.integers(0, 256, (112, 112, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / path)
            rows.append({"identity": f"p{person}", "path": path, "illumination": float(image)})
    return FaceSet.from_rows(rows, ["illumination"], folder=folder)


@pytest.fixture(scope="session")
def data(faces: FaceSet) -> RunData:
    train = FaceSet.from_rows([{"identity": "other", "path": "none.png"}])
    lattice = Lattice.from_values(faces, "illumination")
    return RunData(train, {"judge": faces}, lattice, "judge", "judge")


@pytest.fixture(scope="session")
def embeddings() -> Tensor:
    """A point for each person, moved along one common direction by the attribute, plus noise."""
    generator = torch.Generator().manual_seed(1)
    centers = 3 * torch.randn(PEOPLE, 8, generator=generator)
    along = torch.randn(8, generator=generator)
    step = torch.arange(IMAGES)[None, :, None] - IMAGES // 2
    noise = 0.02 * torch.randn(PEOPLE, IMAGES, 8, generator=generator)
    return (centers[:, None] + 0.2 * step * along + noise).flatten(0, 1)
