"""Squared distances of all pairs: float32 where that is enough, float64 where it is not."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.geometry.points import lengths

ERROR = 2e-6
"""Bound on the error of a float32 square, as a fraction of the largest squared length."""

FEW = 1 / 256
"""Up to this share of a block is corrected pair by pair; beyond, the whole block is redone."""


class PairSquares:
    """Squared Euclidean distances between points, block by block.

    A product in float32 takes half the time of one in float64, but the difference of two large
    numbers may be all rounding. So pairs within a doubtful band are computed again in float64.

    Args:
        points: Points that `comparable` placed, shape (C, D), float64.
    """

    def __init__(self, points: Tensor) -> None:
        self.exact = points
        # Around their mean: a rounded difference of large numbers would lose what is small.
        self.fast = points.new_empty(points.shape, dtype=torch.float32)
        torch.sub(points, points.mean(dim=0), out=self.fast)
        self.lengths = lengths(self.fast).square_()
        self.error = ERROR * float(self.lengths.max())

    def block(self, rows: slice, columns: slice, low: float, high: float) -> Tensor:
        """One block of squares.

        Args:
            rows: Of N points.
            columns: Of M points.
            low: Squares from here …
            high: … to here are exact to float32's own rounding; others to `self.error`.

        Returns:
            Shape (N, M), float32; a doubtful square may have come out below zero, never a
            corrected one.
        """
        left, right = self.fast[rows], self.fast[columns]
        squares = (left @ right.T).mul_(-2.0).add_(self.lengths[columns])
        squares.add_(self.lengths[rows].unsqueeze(1))
        middle, reach = (low + high) / 2, (high - low) / 2 + self.error
        doubtful = (squares - middle).abs_() <= reach
        count = int(doubtful.sum())
        if count > FEW * doubtful.numel():
            return self._exact_block(self.exact[rows], self.exact[columns])
        if count:
            i, j = doubtful.nonzero(as_tuple=True)
            gaps = self.exact[rows][i] - self.exact[columns][j]
            squares[i, j] = gaps.square_().sum(dim=1).float()
        return squares

    @staticmethod
    def _exact_block(left: Tensor, right: Tensor) -> Tensor:
        squares = (left @ right.T).mul_(-2.0).add_(left.square().sum(dim=1, keepdim=True))
        return squares.add_(right.square().sum(dim=1)).clamp_(min=0.0).float()
