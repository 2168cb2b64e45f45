"""Scores of genuine and impostor pairs, tile by tile: all pairs of embeddings, or listed ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, blocks, comparable, lengths
from facegeom_lit.geometry.verification import block_scores, check_labels

TILE = 2048
"""Rows and columns of a tile of scores: 32 MiB in float64."""


class Cell(NamedTuple):
    """Some pairs between one group of people and others.

    Attributes:
        group: The group of the first image of each pair.
        others: Group of the second image, (n,), never smaller than `group`.
        scores: Score of each pair, (n,).
        same: Whether the pair is genuine, (n,); such a pair lies within its group.
    """

    group: int
    others: Tensor
    scores: Tensor
    same: Tensor


class ScoreTiles(Protocol):
    """Scored pairs that are read as often as needed and never held all at once.

    Attributes:
        genuine_count: Number of genuine pairs.
        impostor_count: Number of impostor pairs.
        reach: No score is larger than this, nor smaller than its negative.
    """

    genuine_count: int
    impostor_count: int
    reach: float

    def genuine(self) -> Iterator[Tensor]:
        """Scores of genuine pairs in float32 vectors."""
        ...

    def impostor(self) -> Iterator[Tensor]:
        """Scores of impostor pairs in float32 vectors."""
        ...


class Scores(ScoreTiles, Protocol):
    """Scored pairs that can be resampled by people.

    Attributes:
        clusters: Number of what is drawn when pairs are resampled: people, or pairs.
    """

    clusters: int

    def cells(self, groups: Tensor) -> Iterator[Cell]:
        """Every pair once, group by group upwards, for the group (clusters,) of each cluster."""
        ...


class AllPairs:
    """All pairs of different rows, scored as `verification.pair_scores` does.

    Products are taken in float64 and rounded to float32, so that equal images score equally in
    any tile. A pair is computed once: tiles below the diagonal are never made.

    Args:
        embeddings: Shape (N, D), raw.
        labels: Identity of each row, shape (N,).
        distance: The model's own distance.
        tile: Rows and columns of a tile.

    Raises:
        FaceGeomError: When rows are not finite, of length zero, or not labelled one to one.

    Example:
        >>> pairs = AllPairs(torch.eye(2).repeat(2, 1), torch.tensor([0, 1, 0, 1]))
        >>> torch.cat(list(pairs.genuine())), torch.cat(list(pairs.impostor()))
        (tensor([1., 1.]), tensor([0., 0., 0., 0.]))
    """

    def __init__(
        self,
        embeddings: Tensor,
        labels: Tensor,
        distance: Distance = "cosine",
        tile: int = TILE,
    ) -> None:
        check_labels(embeddings, labels)
        points = comparable(embeddings, distance)
        identities, dense = labels.to(points.device).unique(return_inverse=True)
        # In the order of the identities, genuine pairs stand beside the diagonal.
        order = dense.argsort(stable=True)
        self._points, self._labels = points[order], dense[order]
        self.distance: Distance = distance
        self.tile = tile
        self.clusters = len(identities)
        images = torch.bincount(dense)
        self.genuine_count = int((images * (images - 1) // 2).sum())
        self.impostor_count = len(points) * (len(points) - 1) // 2 - self.genuine_count
        self.reach = 1.0 if distance == "cosine" else 2 * float(lengths(points).max())

    def genuine(self) -> Iterator[Tensor]:
        """Scores of pairs of one identity, float32 vectors."""
        for rows, columns in self._tiles():
            if self._labels[rows.stop - 1] < self._labels[columns.start]:
                continue
            scores, same, later = self._scored(rows, columns)
            yield scores[same & later]

    def impostor(self) -> Iterator[Tensor]:
        """Scores of pairs of different identities, float32 vectors."""
        for rows, columns in self._tiles():
            if self._labels[rows.stop - 1] < self._labels[columns.start]:
                yield block_scores(
                    self._points[rows], self._points[columns], self.distance
                ).flatten()
            else:
                scores, same, later = self._scored(rows, columns)
                yield scores[later & ~same]

    def cells(self, groups: Tensor) -> Iterator[Cell]:
        """As `Scores.cells`, for the group of each identity, in increasing order of labels."""
        of_rows = groups.to(self._labels.device)[self._labels]
        order = of_rows.argsort(stable=True)
        points, labels, of_rows = self._points[order], self._labels[order], of_rows[order]
        count = torch.arange(len(points), device=points.device)
        starts = [0, *torch.bincount(of_rows).cumsum(0).tolist()]
        for group, (start, stop) in enumerate(pairwise(starts)):
            for inner in blocks(stop - start, self.tile):
                rows = slice(start + inner.start, start + inner.stop)
                for step in blocks(len(points) - rows.start, self.tile):
                    columns = slice(rows.start + step.start, rows.start + step.stop)
                    later = count[columns] > count[rows].unsqueeze(1)
                    scores = block_scores(points[rows], points[columns], self.distance)
                    same = labels[rows].unsqueeze(1) == labels[columns]
                    others = of_rows[columns].expand_as(scores)
                    yield Cell(group, others[later], scores[later], same[later])

    def _tiles(self) -> Iterator[tuple[slice, slice]]:
        for rows in blocks(len(self._points), self.tile):
            for step in blocks(len(self._points) - rows.start, self.tile):
                yield rows, slice(rows.start + step.start, rows.start + step.stop)

    def _scored(self, rows: slice, columns: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of a tile, whether each pair is genuine, and whether it stands once."""
        scores = block_scores(self._points[rows], self._points[columns], self.distance)
        same = self._labels[rows].unsqueeze(1) == self._labels[columns]
        count = torch.arange(columns.stop, device=scores.device)
        return scores, same, count[columns] > count[rows].unsqueeze(1)


class ScoredPairs:
    """The scores of listed pairs.

    Args:
        scores: Similarity of each pair, larger = more alike, shape (P,).
        same: Whether the pair is genuine, shape (P,).
        people: Identity of the first and the second image of each pair, shape (P, 2); None where
            they are unknown: then each pair is a cluster of its own.

    Raises:
        FaceGeomError: When shapes differ, a score is not finite, or `people` contradicts `same`.
    """

    def __init__(self, scores: Tensor, same: Tensor, people: Tensor | None = None) -> None:
        if scores.ndim != 1 or scores.shape != same.shape:
            raise FaceGeomError(
                f"`scores` and `same` must be vectors of one length, got {tuple(scores.shape)} "
                f"and {tuple(same.shape)}."
            )
        bad = int((~scores.isfinite()).sum())
        if bad:
            raise FaceGeomError(f"`scores` holds NaN or infinity in {bad} of {len(scores)} pairs.")
        self._scores, self._same = scores.float(), same.bool()
        self.genuine_count = int(self._same.sum())
        self.impostor_count = len(scores) - self.genuine_count
        self.reach = float(scores.abs().max()) if len(scores) else 0.0
        if people is None:
            own = torch.arange(len(scores)).unsqueeze(1)
            self._people, self.clusters = own.expand(-1, 2), len(scores)
        else:
            identities, self._people = people.unique(return_inverse=True)
            self.clusters = len(identities)
            wrong = int(((self._people[:, 0] == self._people[:, 1]) != self._same).sum())
            if wrong:
                raise FaceGeomError(
                    f"{wrong} of {len(scores)} pairs are marked genuine though they show two "
                    "people, or impostor though they show one. Correct the list of pairs."
                )

    def genuine(self) -> Iterator[Tensor]:
        """Scores of genuine pairs, one vector."""
        yield self._scores[self._same]

    def impostor(self) -> Iterator[Tensor]:
        """Scores of impostor pairs, float32 vectors."""
        scores = self._scores[~self._same]
        for part in blocks(len(scores), TILE * TILE):
            yield scores[part]

    def cells(self, groups: Tensor) -> Iterator[Cell]:
        """As `Scores.cells`."""
        between = groups[self._people].sort(dim=1).values
        order = between[:, 0].argsort(stable=True)
        counts = torch.bincount(between[:, 0])
        for group, rows in enumerate(order.split(counts.tolist())):
            yield Cell(group, between[rows, 1], self._scores[rows], self._same[rows])
