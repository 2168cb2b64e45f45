"""A progress bar over scored pairs."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor
from tqdm import tqdm

from facegeom_lit.geometry.score_source import Cell, Scores


class WatchedScores:
    """The same pairs, each pass over them counted by a progress bar.

    Args:
        pairs: The scored pairs.
        bar: Takes the number of pairs as they pass.
    """

    def __init__(self, pairs: Scores, bar: tqdm) -> None:
        self._pairs, self._bar = pairs, bar
        self.genuine_count, self.impostor_count = pairs.genuine_count, pairs.impostor_count
        self.reach, self.clusters = pairs.reach, pairs.clusters

    def genuine(self) -> Iterator[Tensor]:
        """As of the pairs."""
        yield from self._watched(self._pairs.genuine())

    def impostor(self) -> Iterator[Tensor]:
        """As of the pairs."""
        yield from self._watched(self._pairs.impostor())

    def cells(self, groups: Tensor) -> Iterator[Cell]:
        """As of the pairs."""
        for cell in self._pairs.cells(groups):
            yield cell
            self._bar.update(len(cell.scores))

    def _watched(self, tiles: Iterator[Tensor]) -> Iterator[Tensor]:
        for tile in tiles:
            yield tile
            self._bar.update(len(tile))
