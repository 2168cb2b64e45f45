"""CKA and Procrustes disparity of two models: of all images, without some people, and by chance."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.geometry.alignment.centred import centred
from facegeom_lit.geometry.alignment.cka import FEWEST_ROWS, GramSums, cka_of, unbiased_hsic
from facegeom_lit.geometry.alignment.disparity import disparity_of
from facegeom_lit.geometry.full_precision import full_precision

Indices = dict[str, float]


class LinearSimilarity:
    """Indices of two models that follow from XᵀY and sums over rows.

    Args:
        first: Rows in float64, (N, p).
        second: Rows of the same images, (N, q).

    Raises:
        FaceGeomError: When a model gives all images the same embedding, or places them equally far
            from each other.
    """

    def __init__(self, first: Tensor, second: Tensor) -> None:
        self._x, self._y = centred(first), centred(second)
        self._x_sums, self._y_sums = GramSums.of(self._x), GramSums.of(self._y)
        self._products = [
            a.T @ b for a, b in ((self._x, self._y), (self._x, self._x), (self._y, self._y))
        ]
        xx, yy = self._products[1:]
        self._own = (
            unbiased_hsic(xx.square().sum(), self._x_sums, self._x_sums),
            unbiased_hsic(yy.square().sum(), self._y_sums, self._y_sums),
        )
        # A permutation moves rows only: chance needs no more digits than float32 has.
        self._rough = self._x.float(), self._y.float()

    def observed(self) -> Indices:
        """The indices of all images."""
        return self._indices(self._products[0], self._y_sums, rough=False)

    def permuted(self, order: Tensor) -> Indices:
        """The indices where row i of the first model is paired with row `order[i]`, (N,)."""
        order = order.to(self._x.device)
        x, y = self._rough
        with full_precision(x.device):
            cross = x.T @ y[order]
        return self._indices(cross.double(), self._y_sums[order], rough=True)

    def _indices(self, cross: Tensor, y_sums: GramSums, *, rough: bool) -> Indices:
        both = unbiased_hsic(cross.square().sum(), self._x_sums, y_sums)
        sizes = self._x_sums.diagonal.sum(), y_sums.diagonal.sum()
        return {
            "cka": cka_of(both, *self._own),
            "procrustes_disparity": disparity_of(cross, *sizes, rough=rough),
        }

    def left_out(self, groups: Tensor) -> dict[str, Tensor]:
        """Each index without each group of rows (N,), from the sums less those of the group.

        Empty where too few rows would stay for one.
        """
        if len(groups) - int(groups.bincount().max()) < FEWEST_ROWS:
            return dict.fromkeys(self.observed(), torch.empty(0))
        groups = groups.to(self._x.device)
        found = [self._without(groups == group) for group in range(int(groups.max()) + 1)]
        return {
            name: torch.tensor([indices[name] for indices in found], dtype=torch.float64)
            for name in found[0]
        }

    def _without(self, out: Tensor) -> Indices:
        x, y = self._x[out], self._y[out]
        pairs = ((x, y), (x, x), (y, y))
        xy, xx, yy = (all_ - a.T @ b for all_, (a, b) in zip(self._products, pairs, strict=True))
        kept = ~out
        count = int(kept.sum())
        # The means of all rows are 0: those that stay sum to the negative of those that go.
        x_total, y_total = -x.sum(dim=0), -y.sum(dim=0)
        x_sums = _shifted(self._x_sums, self._x, x_total)[kept]
        y_sums = _shifted(self._y_sums, self._y, y_total)[kept]
        return {
            "cka": cka_of(
                unbiased_hsic(xy.square().sum(), x_sums, y_sums),
                unbiased_hsic(xx.square().sum(), x_sums, x_sums),
                unbiased_hsic(yy.square().sum(), y_sums, y_sums),
            ),
            "procrustes_disparity": disparity_of(
                xy - torch.outer(x_total, y_total) / count,
                x_sums.diagonal.sum() - x_total @ x_total / count,
                y_sums.diagonal.sum() - y_total @ y_total / count,
                rough=True,
            ),
        }


def _shifted(sums: GramSums, points: Tensor, total: Tensor) -> GramSums:
    """Row sums of the Gram matrix over rows that sum to `total`."""
    return GramSums(sums.diagonal, points @ total - sums.diagonal)
