"""Mutual k-NN of two models: of all images, without some people, and by chance."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.geometry.alignment.mutual_neighbors import (
    Neighbors,
    check_neighbors,
    fewest_neighbors,
    shared,
)
from facegeom_lit.geometry.points import Distance

SPARE = 3
"""So many times k neighbours are listed, so that k remain without most groups of people."""


class NeighborSimilarity:
    """Lists of neighbours in two models, made once.

    Args:
        first: Rows that `comparable` placed, (N, p).
        second: Rows of the same images, (N, q).
        labels: Identity of each row, (N,), on the CPU.
        distances: Each model's own distance.
        k: How many neighbours count.

    Raises:
        FaceGeomError: When there are fewer than k images of other people.
    """

    def __init__(
        self,
        first: Tensor,
        second: Tensor,
        labels: Tensor,
        distances: tuple[Distance, Distance],
        k: int,
    ) -> None:
        everybody = torch.ones(len(labels), dtype=torch.bool)
        check_neighbors(k, labels, everybody)
        self._k, self._labels = k, labels
        listed = min(SPARE * k, fewest_neighbors(labels, everybody))
        self._models = [
            Neighbors(points, labels, distance)
            for points, distance in zip((first, second), distances, strict=True)
        ]
        self._lists = [model.nearest(listed) for model in self._models]

    def observed(self) -> dict[str, float]:
        """The index of all images."""
        first, second = (lists[:, : self._k] for lists in self._lists)
        return {"mutual_knn": shared(first, second)}

    def permuted(self, order: Tensor) -> dict[str, float]:
        """The index where row i of the first model is paired with row `order[i]`, (N,)."""
        first, second = (lists[:, : self._k] for lists in self._lists)
        return {"mutual_knn": shared(first, order.argsort()[second[order]])}

    def left_out(self, groups: Tensor) -> dict[str, Tensor]:
        """The index without each group of rows (N,); empty where too few neighbours would stay."""
        if any(
            fewest_neighbors(self._labels, groups != group) < self._k for group in groups.unique()
        ):
            return {"mutual_knn": torch.empty(0)}
        common = self._common()
        values = [self._without(groups, group, common) for group in range(int(groups.max()) + 1)]
        return {"mutual_knn": torch.tensor(values, dtype=torch.float64)}

    def _common(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row, and its place in both lists, of every neighbour that both lists hold."""
        first, second = self._lists
        found = []
        for place in range(second.shape[1]):
            row, other = (first == second[:, [place]]).nonzero(as_tuple=True)
            found.append(torch.stack([row, other, torch.full_like(row, place)]))
        row, other, place = torch.cat(found, dim=1)
        return row, other, place

    def _without(self, groups: Tensor, group: int, common: tuple[Tensor, Tensor, Tensor]) -> float:
        kept = groups != group
        valid = [kept[lists] for lists in self._lists]
        ranks = [flags.cumsum(dim=1) for flags in valid]
        long_enough = (ranks[0][:, -1] >= self._k) & (ranks[1][:, -1] >= self._k)
        taken = [flags & (rank <= self._k) for flags, rank in zip(valid, ranks, strict=True)]
        row, first, second = common
        here = (kept & long_enough)[row]
        count = int((here & taken[0][row, first] & taken[1][row, second]).sum())
        short = (kept & ~long_enough).nonzero().squeeze(1)
        if len(short):
            lists = [model.nearest(self._k, short, kept) for model in self._models]
            count += round(shared(*lists) * lists[0].numel())
        return count / (int(kept.sum()) * self._k)
