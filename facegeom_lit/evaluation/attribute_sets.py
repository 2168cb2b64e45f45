"""The labelled attributes of a set: of faces, or given in a file of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.embedding_file import ATTRIBUTES, CURVES, NAMES, EmbeddingFile
from facegeom_lit.faces.face_set import FaceSet


@dataclass(frozen=True)
class LabelledAttributes:
    """What is known of each image of a set.

    Attributes:
        identity: Person of each image, int64 (N,).
        values: float32 (N,) by attribute, NaN where unknown.
        notes: What a reader of results must know.
    """

    identity: Tensor
    values: dict[str, Tensor]
    notes: tuple[str, ...] = ()

    def only(self, attributes: Sequence[str]) -> LabelledAttributes | None:
        """Some of the attributes; None without any."""
        values = {name: found for name, found in self.values.items() if name in attributes}
        return LabelledAttributes(self.identity, values, self.notes) if values else None


def face_set_attributes(faces: FaceSet) -> LabelledAttributes | None:
    """Take the attributes of faces: CelebA's, or the attribute columns of any face set.

    Columns without a single value are passed over; None where there is no other.
    """
    values = {name: faces.attribute(name) for name in faces.attributes}
    return _known(faces.labels, values)


def file_attributes(file: EmbeddingFile) -> LabelledAttributes | None:
    """Take the attributes of a file of embeddings.

    A matrix `attributes` (N, A) with their names in `attribute_names` (A,); where there is none,
    every vector of numbers (N,) but those that `drop` reads.

    Returns:
        The attributes; None where the file has none.

    Raises:
        FaceGeomError: When the matrix and the names do not agree, or a value is infinite.
    """
    count, arrays = len(file.kept), file.others
    notes = []
    if NAMES in arrays:
        table, names = arrays.get(ATTRIBUTES), arrays[NAMES]
        if table is None or names.ndim != 1 or table.shape != (count, len(names)):
            shape = "none" if table is None else str(table.shape)
            raise FaceGeomError(
                f"{file.path}: {NAMES!r} holds {names.size} names, so {ATTRIBUTES!r} must be a "
                f"matrix ({count}, {names.size}), one row an image; its shape is {shape}."
            )
        columns = dict(zip(map(str, names.tolist()), table.T, strict=True))
        if len(columns) < len(names):
            raise FaceGeomError(f"{file.path}: a name comes twice in {NAMES!r}.")
    else:
        vectors = {n: a for n, a in arrays.items() if a.ndim == 1 and not n.startswith(CURVES)}
        columns = {name: array for name, array in vectors.items() if len(array) == count}
        notes = [
            f"{name!r} of {file.path.name} has {len(array)} entries, not one a row ({count}): it "
            "is no attribute"
            for name, array in vectors.items()
            if name not in columns
        ]
    values = {}
    for name, column in columns.items():
        if column.dtype.kind not in "biuf":
            if NAMES in arrays:
                raise FaceGeomError(f"{file.path}: {ATTRIBUTES!r} must hold numbers.")
            continue
        if np.isinf(column).any():
            raise FaceGeomError(f"{file.path}: attribute {name!r} holds infinity.")
        values[name] = torch.from_numpy(column[file.kept].astype(np.float32))
    return _known(file.labels, values, notes)


def _known(
    identity: Tensor, values: dict[str, Tensor], notes: Sequence[str] = ()
) -> LabelledAttributes | None:
    """Leave out attributes without a value, and say how many values others lack."""
    known = {name: column for name, column in values.items() if not column.isnan().all()}
    lacks = [
        f"{name}: {lacking} of {len(column)} images have no value"
        for name, column in known.items()
        if (lacking := int(column.isnan().sum()))
    ]
    return LabelledAttributes(identity, known, (*notes, *lacks)) if known else None
