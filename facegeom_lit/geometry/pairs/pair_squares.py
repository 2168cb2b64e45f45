"""Squared distances of all pairs, block by block: float32, with a bound on what it rounds away."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.geometry.placed import SWEEP, Placed
from facegeom_lit.geometry.points import blocks

ERROR = 2e-6
"""Bound on the error of a float32 square, as a fraction of the largest squared length."""


class PairSquares:
    """Squared Euclidean distances between points (of length 1 for the cosine).

    One product in float32 gives a block: |a|² and |b|² ride along as two further columns. That
    takes half the time of a product in float64, but the difference of two large numbers may be
    all rounding: `error` bounds it, and doubtful pairs can be had exactly.

    Args:
        points: C points, C ≥ 1.
    """

    def __init__(self, points: Placed) -> None:
        self.points = points
        self.error = ERROR * points.farthest()

    def left(self, rows: slice, size: int) -> Tensor:
        """Left factor of blocks with these rows, filled up to `size` rows at infinity.

        Returns:
            Shape (size, D + 2), float32: a point, its square, and one.
        """
        # About the mean: a rounded difference of large numbers would lose what is small.
        exact = self.points.at(rows).sub_(self.points.centre)
        count, dimension = exact.shape
        factor = exact.new_zeros((size, dimension + 2), dtype=torch.float32)
        factor[:count, :dimension] = exact
        factor[count:, -2] = torch.inf
        sizes = torch.linalg.vector_norm(factor[:count, :dimension], dim=1, dtype=torch.float64)
        factor[:count, -2] = sizes.square_()
        factor[:, -1] = 1.0
        return factor

    @staticmethod
    def right(left: Tensor) -> Tensor:
        """Right factor of blocks with these columns: the left one of the same points, turned.

        Args:
            left: Shape (size, D + 2).

        Returns:
            Shape (size, D + 2): the product with the transpose of it is a block of squares.
        """
        factor = left * -2.0
        factor[:, -2] = left[:, -1]
        factor[:, -1] = left[:, -2]
        return factor

    def exact(self, first: Tensor, second: Tensor) -> Tensor:
        """Squares of some pairs of points, shape (N,), float64."""
        parts = [
            (self.points.at(first[part]) - self.points.at(second[part])).square_().sum(dim=1)
            for part in blocks(len(first), SWEEP)
        ]
        return torch.cat(parts)

    def exact_block(self, rows: slice, columns: slice) -> Tensor:
        """Squares of a block, shape (N, M), float64."""
        left, right = self.points.at(rows), self.points.at(columns)
        squares = (left @ right.T).mul_(-2.0).add_(left.square().sum(dim=1, keepdim=True))
        return squares.add_(right.square().sum(dim=1)).clamp_(min=0.0)
