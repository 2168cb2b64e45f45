"""Makers turn samples of a recipe into images."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from facegeom_lit.attributes import vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis import photometric, renderer
from facegeom_lit.synthesis.recipe import Sample


class Maker(Protocol):
    """Anything that makes the images of a recipe.

    Attributes:
        name: What is written into the column `source`.
        version: Changes whenever the same sample would give another image.
    """

    name: str
    version: str

    def render(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """Return one uint8 (H, W, 3) RGB image for each sample, whatever the batch."""


def _source_hash() -> str:
    """Hash the code that decides a pixel: a number raised by hand would be forgotten one day."""
    sources = [*sorted(Path(renderer.__file__).parent.glob("*.py")), Path(photometric.__file__)]
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


class RendererMaker:
    """Renders facial attributes, then applies image attributes.

    Samples that differ in image attributes alone share one rendering, so a lattice node with F
    facial and P image attributes costs 1 + 2·F renderings and not 1 + 2·(F + P).

    Args:
        batch_size: Faces rendered at once.

    Raises:
        FaceGeomError: When the batch size is not positive.
    """

    name = "renderer"
    version = _source_hash()

    def __init__(self, batch_size: int = 32) -> None:
        if batch_size < 1:
            raise FaceGeomError(f"synthesis.maker.batch_size must be positive, got {batch_size}.")
        self.batch_size = batch_size
        self._renderer = renderer.FaceRenderer()
        specs = vocabulary().values()
        self._facial = tuple(spec.name for spec in specs if spec.kind == "facial")
        self._photometric = tuple(spec.name for spec in specs if spec.kind == "image")

    def render(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """Return one uint8 (112, 112, 3) image for each sample."""
        keys = [
            (s.identity_seed, s.seed, *(s.attributes[name] for name in self._facial))
            for s in samples
        ]
        different = dict(zip(keys, samples, strict=True))
        faces = dict(zip(different, self._render_faces(list(different.values())), strict=True))
        return [
            photometric.apply_all(
                faces[key], {name: s.attributes[name] for name in self._photometric}, s.seed
            )
            for key, s in zip(keys, samples, strict=True)
        ]

    def _render_faces(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        images: list[NDArray[np.uint8]] = []
        for start in range(0, len(samples), self.batch_size):
            batch = samples[start : start + self.batch_size]
            values = {
                name: torch.tensor([s.attributes[name] for s in batch]) for name in self._facial
            }
            identity = self._renderer.identity([s.identity_seed for s in batch])
            faces = self._renderer(identity, values, [s.seed for s in batch])
            images += list(faces.permute(0, 2, 3, 1).contiguous().numpy())
        return images
