"""A lattice over given photos: image attributes moved on real faces.

The photo is the node; its middle image stands at each attribute's default, or at the nearest value
from which both steps stay within the range.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.attributes import AttributeSpec, attribute, vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import ImageFormat
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.identities import rows_by_identity
from facegeom_lit.synthesis import photometric
from facegeom_lit.synthesis.maker import Original, source_hash
from facegeom_lit.synthesis.photometric import apply_all
from facegeom_lit.synthesis.recipe import Sample


class PhotoRecipe:
    """What `generate` makes of given photos: see `facegeom_lit.synthesis.recipe.Recipe`.

    Args:
        photos: Aligned faces.
        measured: Image attributes that move.
        nodes: At most so many photos of each identity become nodes, evenly spread over them.
        specs: Attributes by name; those that it does not hold are the vocabulary's.

    Raises:
        FaceGeomError: When an attribute cannot be moved on a photo, or not so far, or comes twice.
    """

    image_format: ImageFormat = "webp"
    quality = 95
    split = "lattice"

    def __init__(
        self,
        photos: FaceSet,
        measured: Sequence[str],
        nodes: int,
        specs: Mapping[str, AttributeSpec] | None = None,
    ) -> None:
        self.measured = tuple(measured)
        if len(set(measured)) < len(self.measured):
            raise FaceGeomError(f"measured names an attribute twice: {', '.join(measured)}.")
        chosen = specs or {}
        self.specs: Mapping[str, AttributeSpec] = {
            name: chosen[name] if name in chosen else attribute(name) for name in measured
        }
        for name, spec in self.specs.items():
            if spec.kind != "image":
                raise FaceGeomError(f"{name!r} is a facial attribute: no operator moves it.")
        self._photos = photos
        self._nodes = [
            (photos.classes[label], node, row)
            for label, rows in rows_by_identity(photos.labels).items()
            for node, row in enumerate(spread(rows, nodes))
        ]
        self._middle = {
            name: min(max(spec.default, spec.centers[0]), spec.centers[1])
            for name, spec in self.specs.items()
        }
        for name in self.measured:  # the operator's own range; said now, not amid the work
            for step in (0, 2):
                attribute(name).check(self._moved(name, step))

    @property
    def unit(self) -> int:
        """Number of images of one node."""
        return 1 + 2 * len(self.measured)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._nodes) * self.unit

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the images."""
        return {
            "photos": self._photos.hash,
            "rows": [row for _, _, row in self._nodes],
            "measured": list(self.measured),
            "specs": {name: spec.to_dict() for name, spec in self.specs.items()},
            "image_format": self.image_format,
        }

    def samples(self, start: int = 0, stop: int | None = None) -> list[Sample]:
        """Return the images `start` … `stop` - 1."""
        stop = len(self) if stop is None else min(stop, len(self))
        first, last = start // self.unit, -(-stop // self.unit)
        drawn = [sample for node in self._nodes[first:last] for sample in self._node(*node)]
        return drawn[start - first * self.unit : stop - first * self.unit]

    def _node(self, name: str, node: int, row: int) -> list[Sample]:
        middle = Sample(name, row, dict(self._middle), row, node)
        return [middle] + [
            Sample(
                name,
                row,
                {**self._middle, moving: self._moved(moving, step)},
                row,
                node,
                moving,
                step,
            )
            for moving in self.measured
            for step in (0, 2)
        ]

    def _moved(self, name: str, step: int) -> float:
        """Return an attribute's value at a step; rounding cannot lead out of its range."""
        spec = self.specs[name]
        return min(max(self._middle[name] + (step - 1) * spec.step, spec.low), spec.high)


class PhotoMaker:
    """Applies image attributes to given photos; a sample's identity seed is the photo's row."""

    name = "photos"
    version = source_hash([Path(photometric.__file__)])

    def __init__(self, photos: FaceSet) -> None:
        self._photos = photos

    def render(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """Return one image for each sample."""
        return [
            apply_all(self._photos.image(s.identity_seed), s.attributes, s.seed) for s in samples
        ]

    def original(self, sample: Sample) -> Original:
        """Return the photo, every attribute at its default."""
        values = {name: spec.default for name, spec in vocabulary().items()}
        return self._photos.image(sample.identity_seed), values


def spread(rows: Tensor, count: int) -> list[int]:
    """Return at most `count` of the rows, evenly spread."""
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return [int(rows[index]) for index in chosen]
