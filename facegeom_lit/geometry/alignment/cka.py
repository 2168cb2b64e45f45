"""Linear centred kernel alignment of two models' spaces, without bias, from sums."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.centred import ROUNDING, centred
from facegeom_lit.geometry.alignment.moments import check_pairs

FEWEST_ROWS = 4
"""The unbiased estimate needs so many rows."""


@dataclass(frozen=True)
class GramSums:
    """What the unbiased estimate needs of a Gram matrix XXᵀ, which is never made.

    Attributes:
        diagonal: |x_i|², shape (N,).
        rows: Sum of each row but for the diagonal, shape (N,).
    """

    diagonal: Tensor
    rows: Tensor

    @classmethod
    def of(cls, points: Tensor) -> GramSums:
        """Of rows in float64, (N, D)."""
        diagonal = points.square().sum(dim=1)
        return cls(diagonal, points @ points.sum(dim=0) - diagonal)

    def __getitem__(self, order: Tensor) -> GramSums:
        return GramSums(self.diagonal[order], self.rows[order])


def unbiased_hsic(square: Tensor | float, first: GramSums, second: GramSums) -> float:
    """Unbiased Hilbert-Schmidt independence criterion of two linear kernels.

    Eq. 5 of Song et al. (JMLR 2012): with K̃ and L̃ the Gram matrices without their diagonals,
    [tr K̃L̃ + (1ᵀK̃1)(1ᵀL̃1) / (n − 1)(n − 2) − 2 / (n − 2) · 1ᵀK̃L̃1] / n(n − 3).

    Args:
        square: |XᵀY|², the sum of squares of its entries.
        first: Of X.
        second: Of Y, its rows in the same order.
    """
    n = len(first.rows)
    trace = square - first.diagonal @ second.diagonal
    total = first.rows.sum() * second.rows.sum() / ((n - 1) * (n - 2))
    found = float(trace + total - 2 / (n - 2) * (first.rows @ second.rows))
    return found / (n * (n - 3)) if abs(found) > ROUNDING * float(square) else 0.0


def debiased_cka(first: Tensor, second: Tensor) -> float:
    """Debiased linear CKA (Kornblith et al., ICML 2019, with the estimate of Song et al. 2012).

    1 for spaces that differ by a rotation, a shift and a scale; 0 in the mean for unrelated ones,
    whatever the number of images and dimensions, so that it may lie below 0. Takes O(N·d²) time and
    O(d²) memory beside the rows.

    Args:
        first: Embeddings of the one model, shape (N, p).
        second: Embeddings of the other of the same images, shape (N, q).

    Raises:
        FaceGeomError: When rows are not finite or not paired, are fewer than four, are all equal,
            or as of `cka_of`.

    Example:
        >>> import torch
        >>> points = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        >>> round(debiased_cka(points, 3 * points.flip(1) + 1), 6)
        1.0
    """
    check_pairs(first, second)
    check_rows(first)
    x, y = centred(first), centred(second)
    x_sums, y_sums = GramSums.of(x), GramSums.of(y)
    return cka_of(
        unbiased_hsic((x.T @ y).square().sum(), x_sums, y_sums),
        unbiased_hsic((x.T @ x).square().sum(), x_sums, x_sums),
        unbiased_hsic((y.T @ y).square().sum(), y_sums, y_sums),
    )


def cka_of(both: float, first: float, second: float) -> float:
    """CKA from the three criteria.

    Raises:
        FaceGeomError: When a model places all images equally far from each other, or all but one
            on one point.
    """
    if first <= 0 or second <= 0:
        raise FaceGeomError(
            "A model places all images equally far from each other, or all but one on one point, "
            "so nothing can resemble it. Give more images, or look for dead outputs in the model."
        )
    return both / (first * second) ** 0.5


def check_rows(points: Tensor) -> None:
    """Raise FaceGeomError when there are too few rows for the unbiased estimate."""
    if len(points) < FEWEST_ROWS:
        raise FaceGeomError(
            f"Similarity of two models needs {FEWEST_ROWS} images or more, got {len(points)}."
        )
