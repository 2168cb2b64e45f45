"""How well one model's embeddings explain another's, as a metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine import AffineAccumulator, AffineMap, Method
from facegeom_lit.geometry.alignment.centred import ROUNDING
from facegeom_lit.geometry.alignment.folds import FOLDS, take_by_fold
from facegeom_lit.geometry.alignment.moments import Moments, check_pairs, sum_moments


class AlignmentMetric(Metric):
    """An affine map fitted over batches and processes, and the variance that it explains.

    Holds sums only (`facegeom_lit.geometry.alignment.moments`), so memory does not grow with the
    images.

    Args:
        source_dimension: p of the model to map from.
        target_dimension: q of the model to map to.
        method: See `facegeom_lit.geometry.alignment.affine.fit`, as the next four.
        bias: Centre both sides.
        ridge: λ or how it is chosen.
        scale: Let `procrustes` scale too.
        rank: Of `low_rank`.
        **kwargs: Of `torchmetrics.Metric`.

    Example:
        >>> metric = AlignmentMetric(4, 4, method="procrustes")
        >>> x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
        >>> metric.update(x, x.flip(1), torch.arange(32))
        >>> round(float(metric.compute()), 4)
        1.0
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_upper_bound = 1.0

    moments: Tensor
    ungrouped: Tensor

    def __init__(
        self,
        source_dimension: int,
        target_dimension: int,
        method: Method = "ridge",
        bias: bool | None = None,
        ridge: float | str | None = None,
        scale: bool = False,
        rank: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dimensions = (source_dimension, target_dimension)
        self.options: dict[str, Any] = {
            "method": method,
            "bias": bias,
            "ridge": ridge,
            "scale": scale,
            "rank": rank,
        }
        empty = Moments.zeros(*self.dimensions).flat()
        self.add_state("moments", default=empty.repeat(FOLDS, 1), dist_reduce_fx=self._merged)
        self.add_state("ungrouped", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, source: Tensor, target: Tensor, groups: Tensor | None = None) -> None:
        """Take a batch of paired embeddings.

        Args:
            source: Embeddings of the model to map from, shape (B, p).
            target: Embeddings of the model to map to, shape (B, q).
            groups: Identity of each row, integers of shape (B,).

        Raises:
            FaceGeomError: When rows are not finite or not paired, or dimensions are others.
        """
        if (source.shape[-1], target.shape[-1]) != self.dimensions:
            raise FaceGeomError(
                f"Dimensions must be {self.dimensions}, got {(source.shape[-1], target.shape[-1])}."
            )
        check_pairs(source, target, groups)
        take_by_fold(self._unpacked(self.moments), source, target, groups)
        self.ungrouped += int(groups is None)

    def map(self) -> AffineMap:
        """The map of everything taken by this process (by all, after a sync)."""
        return self._sums().solve(**self.options)

    def compute(self) -> Tensor:
        """Share of the target's variance that the map explains on the fitted pairs, at most 1.

        Raises:
            FaceGeomError: When nothing was taken, all embeddings of the target are equal, or an
                argument is out of range.
        """
        sums = self._sums()
        fitted = sums.solve(**self.options)
        total = sum_moments(sums.folds)
        products, matrix = total.about(), fitted.matrix.double()
        variance = products.yy.trace()
        if variance <= total.count * (ROUNDING * total.y_mean).square().sum():
            raise FaceGeomError(
                "The target gives all images the same embedding, so there is no variance to "
                "explain. Look for dead outputs in that model."
            )
        missed = total.x_mean @ matrix + fitted.offset.double() - total.y_mean
        residual = products.residual(matrix) + total.count * missed.square().sum()
        return 1 - residual / variance

    def _merged(self, several: Tensor) -> Tensor:
        """Moments of several processes or batches (S, folds, numbers) as those of one."""
        return torch.stack([sum_moments(self._unpacked(fold)).flat() for fold in several.unbind(1)])

    def _unpacked(self, rows: Tensor) -> list[Moments]:
        """Moments that look into rows (S, numbers)."""
        return [Moments.from_flat(row, *self.dimensions) for row in rows]

    def _sums(self) -> AffineAccumulator:
        if not float(self.moments[:, 0].sum()):
            return AffineAccumulator()
        return AffineAccumulator.of_folds(
            self._unpacked(self.moments.clone()), int(self.ungrouped) == 0
        )
