"""Attribute values read from the images of a lattice, beside those that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facegeom_lit.attributes import attribute
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.geometry.image_statistics import (
    STATISTICS,
    image_statistics,
    statistic_changes,
)
from facegeom_lit.geometry.synthesis_quality import Following, following, leakage_matrix
from facegeom_lit.models.attribute_regressor import AttributeRegressor, measure

_BATCH = 128


@dataclass(frozen=True)
class Readings:
    """What was asked for and what was read, along every curve of a lattice.

    Facial attributes are read by the regressor, as values. Image attributes are read from pixel
    statistics, which know changes alone: their values are relative to the node's middle image.

    Args:
        requested: (C, 3) by attribute: values at a - δ, a, a + δ.
        measured: (C, 3) by attribute.
        changes: (A moved, C, A measured): measured value at a + δ less that at a - δ, in lattice
            steps of the measured attribute.
    """

    requested: dict[str, Tensor]
    measured: dict[str, Tensor]
    changes: Tensor

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes, in the order of `changes`."""
        return tuple(self.requested)

    def pairs(self, name: str) -> tuple[Tensor, Tensor]:
        """Return requested and measured values (N,) of the images that tell something.

        A middle image is what an image attribute's readings are relative to: it tells nothing.
        """
        columns = [0, 1, 2] if attribute(name).kind == "facial" else [0, 2]
        return self.requested[name][:, columns].flatten(), self.measured[name][:, columns].flatten()

    def following(self, name: str) -> Following:
        """Return how the readings of one attribute follow what was asked for."""
        r2, correlation, _ = following(*self.pairs(name))
        rises = (self.measured[name].diff(dim=1) > 0).all(1)
        return Following(r2, correlation, float(rises.double().mean()))

    def leakage(self, *, signed: bool = True) -> Tensor:
        """Return `leakage_matrix` of the lattice, (A moved, A measured)."""
        return leakage_matrix(self.changes, signed=signed)


def check_measurable(names: Sequence[str], regressor: AttributeRegressor) -> None:
    """Refuse attributes that nothing reads.

    Raises:
        FaceGeomError: With the name and what can be read.
    """
    known = (*regressor.attributes, *STATISTICS)
    for name in names:
        if attribute(name).name not in known:
            raise FaceGeomError(
                f"measured: nothing reads {name!r} from an image. Known: {', '.join(known)}."
            )


def read_lattice(
    face_set: FaceSet, names: Sequence[str], regressor: AttributeRegressor
) -> Readings:
    """Read every measured attribute from every image of a lattice.

    Args:
        face_set: A lattice with a curve per node for each of `names`.
        names: What is measured.
        regressor: Reads the facial ones.

    Raises:
        FaceGeomError: When the face set is no lattice of these, or nothing reads an attribute.
    """
    check_measurable(names, regressor)
    lattice = Lattice.from_face_set(face_set, names)
    values = measure(regressor, face_set).double()
    statistics = _statistics(face_set)
    contrast = face_set.attribute("contrast").double()

    def change(name: str, rows: Tensor, references: Tensor) -> Tensor:
        """Return the measured change of `name` from `references` to `rows`."""
        if name in regressor.attributes:
            column = values[:, regressor.attributes.index(name)]
            return column[rows] - column[references]
        found = statistic_changes(statistics[rows], statistics[references], contrast[references])
        return found[:, STATISTICS.index(name)]

    requested, measured, changes = {}, {}, []
    for name in names:
        curves = lattice.curves[name]
        low, middle, high = curves.unbind(1)
        asked = face_set.attribute(name).double()[curves]
        if name in regressor.attributes:
            measured[name] = values[:, regressor.attributes.index(name)][curves]
        else:
            asked = asked - asked[:, 1:2]
            measured[name] = torch.stack([change(name, row, middle) for row in curves.T], dim=1)
        requested[name] = asked
        changes.append(
            torch.stack([change(n, high, low) / attribute(n).step for n in names], dim=1)
        )
    return Readings(requested, measured, torch.stack(changes))


def _statistics(face_set: FaceSet) -> Tensor:
    """Image statistics (N, 3) of a face set, a batch of images in memory at a time."""
    parts = []
    for start in range(0, len(face_set), _BATCH):
        rows = range(start, min(start + _BATCH, len(face_set)))
        images = np.stack([face_set.image(row) for row in rows])
        parts.append(image_statistics(torch.from_numpy(images).permute(0, 3, 1, 2)))
    return torch.cat(parts)
