"""Points where their distances are computed accurately, made block by block: no copy of the whole.

`points.comparable` places a whole set at once; this places the rows that are asked for.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import (
    ROUNDING,
    Distance,
    blocks,
    check_distance,
    check_points,
    exact_lengths,
)

SWEEP = 1024
"""Rows that one step of a sweep over all points takes."""


class Placed:
    """Rows in float64, of length 1 for the cosine, about the common mean for Euclidean distance.

    Args:
        points: Shape (C, D).
        distance: The model's own distance.
        name: What messages call the points.

    Raises:
        FaceGeomError: When a row is not finite, or is zero where a cosine is asked for.
    """

    def __init__(self, points: Tensor, distance: Distance, name: str = "embeddings") -> None:
        check_points(name, points)
        check_distance(distance)
        self.distance = distance
        self.device = points.device
        self._points = points = points.detach()
        self._index: Tensor | None = None
        self._factor: Tensor | None = None
        self._shift: Tensor | None = None
        if distance == "cosine":
            sizes = exact_lengths(points)
            zero = int((sizes == 0).sum())
            if zero:
                raise FaceGeomError(
                    f"`{name}` holds {zero} of {len(points)} rows of length zero: they have no "
                    "cosine distance. Look for dead outputs in the model that made them."
                )
            self._factor = sizes.reciprocal_()
        else:
            self._shift = _mean(points)

    def __len__(self) -> int:
        return len(self._points if self._index is None else self._index)

    def at(self, rows: slice | Tensor) -> Tensor:
        """These points, shape (N, D), float64."""
        if self._index is not None:
            rows = self._index[rows]
        placed = self._points[rows].to(torch.float64, copy=True)
        if self._factor is not None:
            placed.mul_(self._factor[rows].unsqueeze(1))
        return placed if self._shift is None else placed.sub_(self._shift)

    @cached_property
    def centre(self) -> Tensor:
        """Mean of the whole set, also for a subset, shape (D,), float64."""
        if self._factor is None:
            return torch.zeros_like(self._points[0], dtype=torch.float64)
        return _weighted_sum(self._points, self._factor) / len(self._points)

    def farthest(self) -> float:
        """Largest squared Euclidean distance from the centre, from above to float32's rounding."""
        largest = torch.zeros((), dtype=torch.float64, device=self.device)
        wide = torch.promote_types(self._points.dtype, torch.float32)
        for rows in blocks(len(self), SWEEP):
            if self._factor is None:
                squares = self.at(rows).square_().sum(dim=1)
            else:
                index = rows if self._index is None else self._index[rows]
                along = (self._points[index].to(wide) @ self.centre.to(wide)) * self._factor[index]
                squares = 1.0 + ROUNDING + self.centre.square().sum() - 2.0 * along
            largest = torch.maximum(largest, squares.max())
        return float(largest)

    def subset(self, index: Tensor) -> Placed:
        """Some of these points, without checking or placing them again.

        Args:
            index: Rows of this set, shape (N,).
        """
        part = object.__new__(Placed)
        part.__dict__.update(self.__dict__)
        part._index = index if self._index is None else self._index[index]
        return part


def _mean(points: Tensor) -> Tensor:
    """Mean of rows (C, D), shape (D,), float64; of equal rows that row, to the last digit."""
    origin = points[:1].sum(dim=0, dtype=torch.float64)
    total = torch.zeros_like(origin)
    for rows in blocks(len(points), SWEEP):
        total += (points[rows].double() - origin).sum(dim=0)
    return origin + total / max(len(points), 1)


def _weighted_sum(points: Tensor, weights: Tensor) -> Tensor:
    """Sum of rows (C, D) times their weights (C,), shape (D,), float64."""
    total = points.new_zeros(points.shape[1], dtype=torch.float64)
    for rows in blocks(len(points), SWEEP):
        total += weights[rows] @ points[rows].double()
    return total
