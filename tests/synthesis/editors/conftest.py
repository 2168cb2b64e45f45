from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from synthesis.editors import tiny_pipelines

from facegeom_lit.attributes import attribute
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.photometric import Pixels

SD = "StableDiffusionPipeline"
IP2P = "StableDiffusionInstructPix2PixPipeline"


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of tiny pipelines and parts, each made when it is first asked for."""
    root = tmp_path_factory.mktemp("pipelines")
    makers: dict[str, Callable[[Path], Path]] = {
        "sd": lambda folder: tiny_pipelines.stable_diffusion(SD, folder),
        "sdxl": tiny_pipelines.stable_diffusion_xl,
        "instruct": lambda folder: tiny_pipelines.stable_diffusion(IP2P, folder, in_channels=8),
        "flux": tiny_pipelines.flux_kontext,
        "ip_adapter": lambda folder: tiny_pipelines.ip_adapter(folder, face_id=False),
        "face_id": lambda folder: tiny_pipelines.ip_adapter(folder, face_id=True),
        "arc2face": tiny_pipelines.arc2face,
        "face_model": tiny_pipelines.face_model,
    }

    def folder(name: str) -> Path:
        path = root / name
        return path if path.exists() else makers[name](path)

    return folder


@pytest.fixture
def photos() -> list[Pixels]:
    ramp = np.linspace(0, 255, 112)
    shades = [
        np.add.outer(ramp, ramp) / 2,
        np.add.outer(ramp, ramp[::-1]) / 2,
        np.tile(ramp, (112, 1)),
    ]
    return [np.stack((s, s[::-1], s.T), -1).astype(np.uint8) for s in shades]


def edit(share: float, seed: int = 0, name: str = "age") -> Edit:
    spec = attribute(name)
    end = spec.high if share > 0 else spec.low
    return Edit(spec, spec.default + abs(share) * (end - spec.default), share, seed)
