"""A lattice parted by identity: whose images, and which curves at which nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError


@dataclass(frozen=True)
class Person:
    """One identity's part of a lattice.

    Attributes:
        number: The identity's index.
        images: Rows of all its images, each once, increasing, shape (N,), int64.
        curves: Where the three steps stand among its images, by attribute, ordered by the middle
            one, each (C, 3), int64; attributes without a curve of this identity are absent.
    """

    number: int
    images: Tensor
    curves: dict[str, Tensor]

    def together(self) -> list[tuple[str, ...]]:
        """Attributes whose curves stand at the same nodes, in the same order."""
        groups: dict[bytes, list[str]] = {}
        for name, rows in self.curves.items():
            groups.setdefault(rows[:, 1].numpy().tobytes(), []).append(name)
        return [tuple(names) for names in groups.values()]


def people_of(
    images: int, curves: Mapping[str, Tensor], identity: Mapping[str, Tensor]
) -> list[Person]:
    """Part the curves by identity.

    Args:
        images: How many embeddings there are.
        curves: Rows of the three steps by attribute, each (C, 3), int64.
        identity: Identity index of each curve by attribute, each (C,), int64.

    Returns:
        The identities with at least one curve, by increasing index; on the CPU.

    Raises:
        FaceGeomError: When there is no curve, or curves do not fit the embeddings.
    """
    check_curves(images, curves, identity)
    owners = {name: found.cpu().long() for name, found in identity.items()}
    numbers = torch.cat(list(owners.values())).unique()
    if not len(numbers):
        raise FaceGeomError("A lattice needs at least one curve, got none of any attribute.")
    parts: dict[str, tuple[Tensor, ...]] = {}
    for name, rows in curves.items():
        rows, owner = rows.cpu(), owners[name]
        order = rows[:, 1].argsort(stable=True)
        order = order[owner[order].argsort(stable=True)]
        sizes = torch.bincount(torch.searchsorted(numbers, owner), minlength=len(numbers))
        parts[name] = rows[order].split(sizes.tolist())
    people = []
    for index, number in enumerate(numbers.tolist()):
        own = {name: part[index] for name, part in parts.items() if len(part[index])}
        rows = torch.cat([found.flatten() for found in own.values()]).unique()
        places = {name: torch.searchsorted(rows, found) for name, found in own.items()}
        people.append(Person(number, rows, places))
    return people


def check_curves(images: int, curves: Mapping[str, Tensor], identity: Mapping[str, Tensor]) -> None:
    """Raise FaceGeomError unless curves fit `images` embeddings and have one identity each."""
    if not curves or curves.keys() != identity.keys():
        raise FaceGeomError(
            f"`curves` and `identity` must hold the same attributes, got {sorted(curves)} and "
            f"{sorted(identity)}."
        )
    for attribute, rows in curves.items():
        if rows.ndim != 2 or rows.shape[1] != 3 or identity[attribute].shape != rows.shape[:1]:
            raise FaceGeomError(
                f"Curves of {attribute!r} must have shape (C, 3) with one identity each, got "
                f"{tuple(rows.shape)} and {tuple(identity[attribute].shape)}."
            )
        if len(rows) and not (int(rows.min()) >= 0 and int(rows.max()) < images):
            raise FaceGeomError(
                f"Curves of {attribute!r} name rows {int(rows.min())}…{int(rows.max())}, but there "
                f"are {images} embeddings."
            )
