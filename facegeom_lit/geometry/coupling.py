"""Weighted sums of cosines between the directions of neighbours, streamed over pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.pair_squares import PairSquares
from facegeom_lit.geometry.points import blocks, tile_size


@dataclass(frozen=True)
class Directions:
    """Unit vectors of a field, kept as the field's rows and their inverse lengths: no copy.

    Attributes:
        rows: The field, shape (C, D).
        inverse: One over the length of each row, shape (C,).
        order: Row `order[c]` stands at base point `c`; None: row `c`. Shape (C,).
    """

    rows: Tensor
    inverse: Tensor
    order: Tensor | None = None

    def at(self, index: slice | Tensor) -> tuple[Tensor, Tensor]:
        """Rows and inverse lengths at these base points."""
        if self.order is not None:
            index = self.order[index]
        return self.rows[index], self.inverse[index]


def coupling(
    points: Tensor,
    directions: Sequence[Directions],
    rule: Neighborhood,
    *,
    limit: float,
    zero: float,
) -> tuple[Tensor, Tensor]:
    """Sum, over the neighbours of each base point, of weight × cosine of the two directions.

    The neighbours are found once for all fields. Memory beside the inputs: O(C·k) for knn, a few
    blocks otherwise.

    Args:
        points: Base points that `comparable` placed, shape (C, D), C ≥ 2.
        directions: F fields at these points.
        rule: The neighbourhood.
        limit: Radius of the ball, as a distance.
        zero: The distance under which two points are the same.

    Returns:
        The sums, shape (F, C), and each point's total weight, shape (C,); both float64.
    """
    if rule.name == "knn":
        return _sparse(directions, rule.nearest(points))
    return _dense(points, directions, rule, limit, zero)


def _dense(
    points: Tensor, directions: Sequence[Directions], rule: Neighborhood, limit: float, zero: float
) -> tuple[Tensor, Tensor]:
    """All pairs in square blocks; weights are symmetric, so each pair is visited once."""
    sums = points.new_zeros((len(directions), len(points)))
    totals = points.new_zeros(len(points))
    pairs = PairSquares(points)
    rows = blocks(len(points), tile_size(points))
    for i, first in enumerate(rows):
        for second in rows[i:]:
            weights = rule.weights(pairs, first, second, limit=limit, zero=zero)
            if first == second:
                weights.fill_diagonal_(float(rule.name == "ball" and rule.include_self))
            totals[first] += weights.sum(dim=1)
            if first != second:
                totals[second] += weights.sum(dim=0)
            weights = weights.to(directions[0].rows.dtype)
            for total, field in zip(sums, directions, strict=True):
                left, left_inverse = field.at(first)
                right, right_inverse = field.at(second)
                products = (left @ right.T).mul_(weights)
                total[first] += left_inverse * (products @ right_inverse)
                if first != second:
                    total[second] += right_inverse * (left_inverse @ products)
    return sums, totals


def _sparse(directions: Sequence[Directions], neighbors: Tensor) -> tuple[Tensor, Tensor]:
    """Only the pairs listed in `neighbors` (C, k), each with weight 1."""
    count, k = neighbors.shape
    sums = neighbors.new_zeros((len(directions), count), dtype=torch.float64)
    for rows in blocks(count, max(tile_size(neighbors) // 4, 1)):
        for total, field in zip(sums, directions, strict=True):
            own, own_inverse = field.at(rows)
            others, other_inverse = field.at(neighbors[rows])
            products = torch.bmm(others, own.unsqueeze(2)).squeeze(2)
            total[rows] = own_inverse * (products * other_inverse).sum(dim=1)
    return sums, torch.full_like(sums[0], k)
