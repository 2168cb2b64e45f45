"""Pairs of faces to verify, in the order and the folds of their protocol."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet


@dataclass(frozen=True, slots=True)
class PairSet:
    """Faces and the pairs of them that a protocol verifies.

    Args:
        name: Name of the protocol or file, as in tables.
        faces: The images, each once.
        left: Row of the first image of each pair, int64 (P,).
        right: Row of the second, int64 (P,).
        same: Whether both show one person, bool (P,).
        folds: Fold of each pair, int64 (P,), counted from 0.
        named: Whether `faces` knows who is who; false for files that hold pairs alone, where each
            image stands for a person of its own.

    Raises:
        FaceGeomError: When the vectors differ in length, or a row is not there.
    """

    name: str
    faces: FaceSet
    left: Tensor
    right: Tensor
    same: Tensor
    folds: Tensor
    named: bool = True

    def __post_init__(self) -> None:
        count = len(self.left)
        if any(len(vector) != count for vector in (self.right, self.same, self.folds)):
            raise FaceGeomError(f"{self.name}: `left`, `right`, `same` and `folds` differ in length.")
        rows = torch.cat([self.left, self.right])
        if count == 0 or int(rows.min()) < 0 or int(rows.max()) >= len(self.faces):
            raise FaceGeomError(
                f"{self.name}: {count} pairs over {len(self.faces)} images; there must be pairs, "
                "and each must name images that are there."
            )

    def __len__(self) -> int:
        return len(self.left)


def consecutive_folds(pairs: int, folds: int = 10) -> Tensor:
    """Return int64 (pairs,): the fold of each pair when folds follow one another.

    Example:
        >>> consecutive_folds(5, 2).tolist()
        [0, 0, 0, 1, 1]
    """
    parts = torch.arange(pairs).tensor_split(folds)
    return torch.cat([torch.full_like(part, fold) for fold, part in enumerate(parts)])
