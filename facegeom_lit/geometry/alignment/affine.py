"""Affine maps between the embedding spaces of two models (GEOMETRY §3; arXiv 2604.07282)."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine_map import AffineMap
from facegeom_lit.geometry.alignment.moments import Moments, check_pairs
from facegeom_lit.geometry.alignment.solvers import Method, solve_affine, sum_moments

__all__ = ["AffineAccumulator", "AffineMap", "fit"]

FOLDS = 5


class AffineAccumulator:
    """Takes paired embeddings batch by batch; every map is then solved from the sums.

    Sums are kept apart for five folds of identities, so that λ can be chosen by cross-validation
    over people and not over images.

    Example:
        >>> sums = AffineAccumulator()
        >>> for batch in torch.randn(4, 16, 8, generator=torch.Generator().manual_seed(0)):
        ...     sums.update(batch, 2 * batch)
        >>> sums.solve("linear").matrix.diagonal()
        tensor([2., 2., 2., 2., 2., 2., 2., 2.])
    """

    def __init__(self) -> None:
        self.folds: list[Moments] = []
        self.grouped = True

    @property
    def count(self) -> int:
        """Pairs taken so far."""
        return int(sum(float(fold.count) for fold in self.folds))

    @torch.no_grad()
    def update(self, source: Tensor, target: Tensor, groups: Tensor | None = None) -> None:
        """Take a batch.

        Args:
            source: Embeddings of the model to map from, shape (N, p).
            target: Embeddings of the model to map to, of the same images, shape (N, q).
            groups: Identity of each row, integers of shape (N,). A batch without them makes
                "kfold" unavailable.

        Raises:
            FaceGeomError: When rows are not finite or not paired, or dimensions change.
        """
        check_pairs(source, target, groups)
        p, q = source.shape[1], target.shape[1]
        if not self.folds:
            self.folds = [Moments.zeros(p, q, source.device) for _ in range(FOLDS)]
        self._check_dimensions(p, q)
        self.grouped &= groups is not None
        fold = torch.zeros(len(source)) if groups is None else groups % FOLDS
        for index in range(FOLDS):
            rows = (fold == index).to(source.device)
            if rows.any():
                self.folds[index] += Moments.of(source[rows], target[rows])

    def merge(self, other: AffineAccumulator) -> None:
        """Add what another accumulator took.

        Raises:
            FaceGeomError: When its dimensions are others.
        """
        if not other.folds:
            return
        if not self.folds:
            self.folds = list(other.folds)
        else:
            self._check_dimensions(*other.folds[0].xy.shape)
            self.folds = [a + b for a, b in zip(self.folds, other.folds, strict=True)]
        self.grouped &= other.grouped

    @torch.no_grad()
    def solve(
        self,
        method: Method = "ridge",
        *,
        bias: bool | None = None,
        ridge: float | str | None = None,
        scale: bool = False,
    ) -> AffineMap:
        """The map of all pairs taken so far; arguments as of `fit`.

        Raises:
            FaceGeomError: When nothing was taken, or an argument is out of range.
        """
        if not self.folds:
            raise FaceGeomError("An affine map cannot be fitted to no pairs of embeddings.")
        if bias is None:
            bias = method != "none"
        if ridge is None:
            ridge = "kfold" if self.grouped else "gcv"
        folds = self.folds if self.grouped else [sum_moments(self.folds)]
        matrix, offset, used = solve_affine(folds, method, bias=bias, ridge=ridge, scale=scale)
        return AffineMap(matrix.float(), offset.float(), method, bias, used, self.count)

    def _check_dimensions(self, p: int, q: int) -> None:
        expected = tuple(self.folds[0].xy.shape)
        if (p, q) != expected:
            raise FaceGeomError(f"Dimensions changed from {expected} to {(p, q)} between batches.")


def fit(
    source: Tensor,
    target: Tensor,
    *,
    method: Method = "ridge",
    bias: bool | None = None,
    groups: Tensor | None = None,
    ridge: float | str | None = None,
    scale: bool = False,
) -> AffineMap:
    """Fit a map from one model's embeddings to another's of the same images.

    Args:
        source: Embeddings of the model to map from, shape (N, p).
        target: Embeddings of the model to map to, shape (N, q).
        method: `none`: no map, zero-padding or truncating where p ≠ q. `procrustes`: orthogonal
            (semi-orthogonal where p ≠ q). `linear`: least squares, of least norm where it is not
            unique. `ridge`: least squares with a penalty λ|W|².
        bias: Centre both sides. None: yes, except for `none`, which then changes nothing.
        groups: Identity of each row, integers of shape (N,), for the folds of "kfold".
        ridge: λ ≥ 0 (as scikit-learn's `alpha`: against the sum of squared errors), or how it is
            chosen: "gcv" by generalised cross-validation, "kfold" by 5 folds over identities.
            None: "kfold" where there are groups, else "gcv".
        scale: Let `procrustes` scale too.

    Returns:
        The map.

    Raises:
        FaceGeomError: When rows are not finite or not paired, or an argument is out of range.

    Example:
        >>> x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        >>> y = x.flip(1) + 1
        >>> mapped = fit(x, y, method="procrustes")(x)
        >>> torch.allclose(mapped, y, atol=1e-5)
        True
    """
    sums = AffineAccumulator()
    sums.update(source, target, groups)
    return sums.solve(method, bias=bias, ridge=ridge, scale=scale)
