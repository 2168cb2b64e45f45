"""Makers turn samples of a recipe into images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from facegeom_lit.attributes import vocabulary
from facegeom_lit.synthesis import photometric, renderer
from facegeom_lit.synthesis.photometric import apply_all
from facegeom_lit.synthesis.processes import Processes
from facegeom_lit.synthesis.recipe import Sample
from facegeom_lit.synthesis.renderer import FaceRenderer

Original = tuple[NDArray[np.uint8], Mapping[str, float]]
"""A given photo, and where it stands in every attribute."""


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

    def original(self, sample: Sample) -> Original | None:
        """Return the given photo that a sample is an edit of; None for a face that is drawn."""


def source_hash(sources: Iterable[Path]) -> str:
    """Hash the code that decides a pixel: a number raised by hand would be forgotten one day."""
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


class FaceMaker(ABC):
    """Makes faces with their facial attributes, then applies image attributes.

    Samples that differ in image attributes alone share one face, so a lattice node with F facial
    and P image attributes costs 1 + 2·F faces and not 1 + 2·(F + P).
    """

    name: str
    version: str

    def __init__(self) -> None:
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
        faces = dict(zip(different, self.faces(list(different.values())), strict=True))
        return [
            apply_all(faces[key], {name: s.attributes[name] for name in self._photometric}, s.seed)
            for key, s in zip(keys, samples, strict=True)
        ]

    def original(self, sample: Sample) -> Original | None:
        """Return None: nobody gave a photo."""
        return None

    @abstractmethod
    def faces(self, samples: list[Sample]) -> list[NDArray[np.uint8]]:
        """Return one uint8 (112, 112, 3) face for each sample, image attributes left alone."""


class RendererMaker(FaceMaker):
    """Renders faces with the parametric renderer.

    Args:
        processes: How many render at once; None: one for each core that this process may use.
            (Rendering a face is many small operations, so threads do not help.)

    Raises:
        FaceGeomError: When the number is not positive.
    """

    name = "renderer"
    version = source_hash(
        [*sorted(Path(renderer.__file__).parent.glob("*.py")), Path(photometric.__file__)]
    )

    def __init__(self, processes: int | None = 1) -> None:
        super().__init__()
        self._processes = Processes(processes)

    def faces(self, samples: list[Sample]) -> list[NDArray[np.uint8]]:
        """Render the facial attributes."""
        return self._processes.map(_render, samples, self._facial)


@cache
def _renderer() -> FaceRenderer:
    return FaceRenderer()


def _render(samples: Sequence[Sample], facial: Sequence[str]) -> list[NDArray[np.uint8]]:
    """Render the faces of some samples."""
    values = {name: torch.tensor([s.attributes[name] for s in samples]) for name in facial}
    identity = _renderer().identity([s.identity_seed for s in samples])
    faces = _renderer()(identity, values, [s.seed for s in samples])
    return list(faces.permute(0, 2, 3, 1).contiguous().numpy())
