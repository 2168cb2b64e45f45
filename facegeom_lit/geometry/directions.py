"""Directions of a field: which way each curve moves its embedding (GEOMETRY §1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, blocks, check_points, exact_lengths, lengths

SHORTEST = 1e-5
"""A displacement shorter than this fraction of the embeddings' length is rounding, not a field."""

SWEEP = 1024
"""Rows that one step of a sweep over all curves takes."""


@dataclass(frozen=True)
class Directions:
    """Unit vectors of a field, kept as the field's rows and their inverse lengths: no copy.

    Attributes:
        rows: The field, shape (C, D).
        inverse: One over the length of each row, shape (C,).
        order: Row `order[n]` stands at the n-th base point, shape (N,); None: row `n`.
    """

    rows: Tensor
    inverse: Tensor
    order: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows if self.order is None else self.order)

    def mean(self) -> Tensor:
        """Mean of all directions, shape (D,), float64."""
        total = self.rows.new_zeros(self.rows.shape[1], dtype=torch.float64)
        for rows in blocks(len(self), SWEEP):
            index = rows if self.order is None else self.order[rows]
            total += self.inverse[index] @ self.rows[index].double()
        return total / len(self)

    def units(self, index: slice | Tensor, dtype: torch.dtype) -> Tensor:
        """Unit vectors at these base points, shape (N, D)."""
        if self.order is not None:
            index = self.order[index]
        return self.rows[index].to(dtype) * self.inverse[index].to(dtype).unsqueeze(1)


def directions(field: Tensor, order: Tensor | None = None) -> Directions:
    """Directions of a field whose every row (of those that `order` names) is usable.

    Args:
        field: Displacements, shape (C, D).
        order: Row that stands at each base point, shape (N,); None: all rows in their order.
    """
    return Directions(field, exact_lengths(field).reciprocal_(), order)


def usable_curves(
    base: Tensor, field: Tensor, name: str = "field", distance: Distance = "cosine"
) -> Tensor:
    """Which curves move at all.

    Args:
        base: Base points, shape (C, D).
        field: Displacements, shape (C, D).
        name: What messages call the field.
        distance: The model's own distance.

    Returns:
        Shape (C,), bool: whether the displacement is longer than `SHORTEST` × the
        root-mean-square length of the base points (for the cosine: × 1, as the field is of
        normalised embeddings).

    Raises:
        FaceGeomError: When the shapes differ or the field is not finite.
    """
    check_points(name, field)
    if field.shape != base.shape:
        raise FaceGeomError(
            f"`base` and `{name}` must have the same shape, got {tuple(base.shape)} and "
            f"{tuple(field.shape)}."
        )
    size = 1.0 if distance == "cosine" else lengths(base).double().square().mean().sqrt()
    return lengths(field) > SHORTEST * size


def usable_together(
    base: Tensor, fields: Mapping[str, Tensor], distance: Distance
) -> list[tuple[list[str], Tensor | None, int]]:
    """Fields by the curves that they can use: those with the same ones share all neighbours.

    Args:
        base: Base points, shape (C, D).
        fields: Displacements by name, each (C, D).
        distance: The model's own distance.

    Returns:
        Names, usable curves (N,) or None where all are, and their number.

    Raises:
        FaceGeomError: As `usable_curves`.
    """
    groups: dict[bytes, list[str]] = {}
    usable = {name: usable_curves(base, fields[name], name, distance) for name in fields}
    if not usable:
        return []
    masks = torch.stack(list(usable.values())).cpu()
    for name, mask in zip(usable, masks, strict=True):
        groups.setdefault(mask.numpy().tobytes(), []).append(name)
    found = []
    for names in groups.values():
        kept = usable[names[0]].nonzero().flatten()
        found.append((names, None if len(kept) == len(base) else kept, len(kept)))
    return found
