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
        notes: What was read and how, for whoever reads the results.

    Raises:
        FaceGeomError: When the vectors differ in length, a row is not there, or the people of
            `faces` disagree with `same`.
    """

    name: str
    faces: FaceSet
    left: Tensor
    right: Tensor
    same: Tensor
    folds: Tensor
    named: bool = True
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.left)
        if any(len(vector) != count for vector in (self.right, self.same, self.folds)):
            raise FaceGeomError(
                f"{self.name}: `left`, `right`, `same` and `folds` differ in length."
            )
        rows = torch.cat([self.left, self.right])
        if count == 0 or int(rows.min()) < 0 or int(rows.max()) >= len(self.faces):
            raise FaceGeomError(
                f"{self.name}: {count} pairs over {len(self.faces)} images; there must be pairs, "
                "and each must name images that are there."
            )
        if self.named:
            labels = self.faces.labels
            wrong = ((labels[self.left] == labels[self.right]) != self.same).nonzero().flatten()
            if len(wrong):
                pair = int(wrong[0])
                names = [self.faces.name_of(int(side[pair])) for side in (self.left, self.right)]
                raise FaceGeomError(
                    f"{self.name}: {len(wrong)} of {count} pairs disagree with the names of the "
                    f"people, the first is pair {pair} ({names[0]}, {names[1]}). Correct the list."
                )

    def __len__(self) -> int:
        return len(self.left)

    def __repr__(self) -> str:
        genuine, folds = int(self.same.sum()), len(self.folds.unique())
        return (
            f"PairSet({self.name!r}, {len(self)} pairs ({genuine} of one person) in {folds} folds, "
            f"{len(self.faces)} images)"
        )


def consecutive_folds(pairs: int, folds: int = 10) -> Tensor:
    """Return int64 (pairs,): the fold of each pair when folds follow one another.

    Example:
        >>> consecutive_folds(5, 2).tolist()
        [0, 0, 0, 1, 1]
    """
    parts = torch.arange(pairs).tensor_split(folds)
    return torch.cat([torch.full_like(part, fold) for fold, part in enumerate(parts)])


def default_folds(same: Tensor, folds: int = 10) -> Tensor:
    """Return int64 (P,): the folds of pairs whose list names none.

    Folds follow one another, as published readers cut such lists. Where that would leave a fold
    with one kind of pair alone (a list of all genuine pairs before the impostor ones), each kind
    is cut by itself.

    Args:
        same: bool (P,), whether a pair shows one person.
        folds: How many; fewer where there are fewer pairs of a kind.

    Example:
        >>> default_folds(torch.tensor([True, True, False, False]), 2).tolist()
        [0, 1, 0, 1]
    """
    kinds = [same.nonzero().flatten(), (~same).nonzero().flatten()]
    folds = max(1, min(folds, *(len(rows) for rows in kinds)))
    in_order = consecutive_folds(len(same), folds)
    if all(len(in_order[rows].unique()) == folds for rows in kinds):
        return in_order
    by_kind = torch.empty_like(in_order)
    for rows in kinds:
        by_kind[rows] = consecutive_folds(len(rows), folds)
    return by_kind
