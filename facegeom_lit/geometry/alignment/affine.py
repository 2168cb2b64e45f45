"""Affine maps between the embedding spaces of two models (GEOMETRY §3; arXiv 2604.07282)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine_map import AffineMap
from facegeom_lit.geometry.alignment.folds import FOLDS, take_by_fold
from facegeom_lit.geometry.alignment.moments import Moments, check_pairs, sum_moments
from facegeom_lit.geometry.alignment.solvers import Method, solve_affine, solve_low_rank

__all__ = ["AffineAccumulator", "AffineMap", "Method", "fit"]


class AffineAccumulator:
    """Takes paired embeddings batch by batch; every map is then solved from the sums.

    Sums are kept apart for five folds of identities, so that λ and a rank can be chosen by
    cross-validation over people and not over images.

    Example:
        >>> sums = AffineAccumulator()
        >>> for batch in torch.randn(4, 16, 8, generator=torch.Generator().manual_seed(0)):
        ...     sums.update(batch, 2 * batch)
        >>> sums.solve("linear").matrix.diagonal()
        tensor([2., 2., 2., 2., 2., 2., 2., 2.])
        >>> sums.reversed().solve("linear").matrix.diagonal()
        tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000])
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
        self._prepare((source.shape[1], target.shape[1]), source.device)
        take_by_fold(self.folds, source, target, groups)
        self.grouped &= groups is not None

    def merge(self, other: AffineAccumulator) -> None:
        """Add what another accumulator took.

        Raises:
            FaceGeomError: When its dimensions are others.
        """
        if not other.folds:
            return
        dimensions, device = other.folds[0].dimensions, other.folds[0].mean.device
        self._prepare(dimensions, device)
        self.folds = [a + b for a, b in zip(self.folds, other.folds, strict=True)]
        self.grouped &= other.grouped

    def reversed(self) -> AffineAccumulator:
        """The accumulator of the other direction, from `target` to `source`, of the same pairs."""
        return self.of_folds([fold.reversed() for fold in self.folds], self.grouped)

    @classmethod
    def of_folds(cls, folds: Sequence[Moments], grouped: bool) -> AffineAccumulator:
        """An accumulator that took what these moments hold.

        Args:
            folds: Of five folds of identities, as `folds` gives them; they become its own.
            grouped: Whether identities were known.
        """
        sums = cls()
        sums.folds = list(folds)
        sums.grouped = grouped
        return sums

    @torch.no_grad()
    def solve(
        self,
        method: Method = "ridge",
        *,
        bias: bool | None = None,
        ridge: float | str | None = None,
        scale: bool = False,
        rank: int | None = None,
    ) -> AffineMap:
        """The map of all pairs taken so far; arguments as of `fit`.

        Raises:
            FaceGeomError: When nothing was taken, or an argument is out of range.
        """
        if bias is None:
            bias = method != "none"
        folds, ridge = self._judging(ridge)
        return solve_affine(folds, method, bias=bias, ridge=ridge, scale=scale, rank=rank)

    @torch.no_grad()
    def low_rank(
        self, ranks: Sequence[int], *, bias: bool = True, ridge: float | str | None = None
    ) -> list[AffineMap]:
        """The `low_rank` map of every one of these ranks, from one decomposition.

        Args:
            ranks: Each between 1 and min(p, q).
            bias: Centre both sides.
            ridge: As of `fit`; chosen once, for the full rank.

        Raises:
            FaceGeomError: When nothing was taken, or an argument is out of range.
        """
        folds, ridge = self._judging(ridge)
        return solve_low_rank(folds, ranks, bias=bias, ridge=ridge)

    def _judging(self, ridge: float | str | None) -> tuple[list[Moments], float | str]:
        """The folds that may judge, one where identities are unknown; and how λ is chosen."""
        if not self.folds:
            raise FaceGeomError("An affine map cannot be fitted to no pairs of embeddings.")
        if ridge is None:
            ridge = "kfold" if self.grouped else "gcv"
        return self.folds if self.grouped else [sum_moments(self.folds)], ridge

    def _prepare(self, dimensions: tuple[int, int], device: torch.device) -> None:
        if not self.folds:
            self.folds = [Moments.zeros(*dimensions, device) for _ in range(FOLDS)]
        expected = self.folds[0].dimensions
        if dimensions != expected:
            raise FaceGeomError(
                f"Dimensions changed from {expected} to {dimensions} between batches."
            )


def fit(
    source: Tensor,
    target: Tensor,
    *,
    method: Method = "ridge",
    bias: bool | None = None,
    groups: Tensor | None = None,
    ridge: float | str | None = None,
    scale: bool = False,
    rank: int | None = None,
) -> AffineMap:
    """Fit a map from one model's embeddings to another's of the same images.

    Args:
        source: Embeddings of the model to map from, shape (N, p).
        target: Embeddings of the model to map to, shape (N, q).
        method: `none`: no map, zero-padding or truncating where p ≠ q. `procrustes`: orthogonal
            (semi-orthogonal where p ≠ q, see `procrustes.procrustes`). `linear`: least squares, of
            least norm where it is not unique. `ridge`: least squares with a penalty λ|W|².
            `low_rank`: the same through `rank` dimensions only.
        bias: Centre both sides. None: yes, except for `none`, which then changes nothing.
        groups: Identity of each row, integers of shape (N,), for the folds of "kfold".
        ridge: λ ≥ 0 (as scikit-learn's `alpha`: against the sum of squared errors), or how it is
            chosen: "gcv" by generalised cross-validation, "kfold" by 5 folds over identities.
            None: "kfold" where there are groups, else "gcv".
        scale: Let `procrustes` scale too.
        rank: Of `low_rank`, between 1 and min(p, q). None: the smallest that is as good on other
            people as any, by the one-standard-error rule over the folds; this needs `groups`.

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
    return sums.solve(method, bias=bias, ridge=ridge, scale=scale, rank=rank)
