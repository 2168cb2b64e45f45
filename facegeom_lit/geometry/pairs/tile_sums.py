"""What one block of pairs adds to the sums: every neighbourhood, every field, every bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.pairs.coupling import Scale
from facegeom_lit.geometry.pairs.nearest import GROUP, Nearest, both
from facegeom_lit.geometry.pairs.pair_keys import pair_keys
from facegeom_lit.geometry.pairs.pair_squares import PairSquares
from facegeom_lit.geometry.pairs.tile_weights import Tile
from facegeom_lit.geometry.place_sums import place_sums


@dataclass(frozen=True)
class Ready:
    """Points and directions of some rows, as products take them.

    Attributes:
        rows: Which.
        points: Left factor of blocks of squares, shape (N, D + 2), float32; N may be more than
            there are rows, to fill a group.
        units: Directions of each field, each (N, D), float32.
    """

    rows: slice
    points: Tensor
    units: list[Tensor]

    def halves(self) -> list[Ready]:
        """The first and, where it holds any, the last half of these rows, in whole groups."""
        middle = -(-len(self.points) // (2 * GROUP)) * GROUP
        start, stop = self.rows.start, self.rows.stop
        cut = min(start + middle, stop)
        parts = [(slice(start, cut), slice(0, middle)), (slice(cut, stop), slice(middle, None))]
        return [
            Ready(rows, self.points[here], [unit[here] for unit in self.units])
            for rows, here in parts
            if rows.start < rows.stop
        ]


@dataclass(frozen=True)
class Keepers:
    """The nearest of every curve, shared by all that find some.

    Attributes:
        nearest: By square, for `knn`.
        capped: By random key within a ball, by the index of the neighbourhood.
        lock: Held while one of them changes.
    """

    nearest: Nearest | None
    capped: dict[int, Nearest]
    lock: Lock


class TileSums:
    """Sums over blocks, and the memory in which a block is worked.

    Args:
        pairs: Squares of all pairs.
        rules: R neighbourhoods.
        fields: F, how many fields.
        scale: Units of distance.
        keepers: Of the nearest.
        lines: Curves, rounded up to whole blocks.
        size: Rows of a block.

    Attributes:
        sums: Weight × cosine by neighbourhood and field, each of shape (lines,), float64.
        totals: Weights by neighbourhood, each of shape (lines,), float64.
        correlation: Cosines by field, each of shape (bins + 1,), float64.
        bin_pairs: Pairs by bin, shape (bins + 1,), int64; the last is beyond reach.
    """

    def __init__(
        self,
        pairs: PairSquares,
        rules: Sequence[Neighborhood],
        fields: int,
        scale: Scale,
        keepers: Keepers,
        lines: int,
        size: int,
    ) -> None:
        self.pairs, self.rules, self.scale, self.keepers = pairs, rules, scale, keepers
        # Nearness first of all: what it computes exactly serves the others.
        weighed = [(i, rule) for i, rule in enumerate(rules) if rule.name != "knn"]
        self._weighed = sorted(weighed, key=lambda entry: entry[1].name == "ball")
        device = pairs.points.device
        wide = torch.zeros(0, dtype=torch.float64, device=device)
        self.sums = [[wide.new_zeros(lines) for _ in range(fields)] for _ in rules]
        self.totals = [wide.new_zeros(lines) for _ in rules]
        self.correlation = [wide.new_zeros(scale.bins + 1) for _ in range(fields)]
        self.bin_pairs = torch.zeros(scale.bins + 1, dtype=torch.int64, device=device)
        self._floats = [torch.empty(size * size, device=device) for _ in range(3 + fields)]
        self._integers = torch.empty(size * size, dtype=torch.int32, device=device)
        self._ones = torch.ones(size, device=device)
        starts = torch.arange(size, dtype=torch.int32, device=device)
        self._starts = starts.mul_(scale.bins + 1).unsqueeze(1)
        self._columns: slice | None = None
        self._right: Tensor

    def add(self, left: Ready, right: Ready) -> None:
        """Add the block of these rows and columns, and its mirror image."""
        if self._columns != right.rows:
            self._columns, self._right = right.rows, self.pairs.right(right.points)
        shape = (left.points.shape[0], right.points.shape[0])
        area = shape[0] * shape[1]
        squares, weights, products, *cosines = (f[:area].view(shape) for f in self._floats)
        torch.mm(left.points, self._right.T, out=squares)
        for own, other, cosine in zip(left.units, right.units, cosines, strict=True):
            torch.mm(own, other.T, out=cosine)
        tile = Tile(self.pairs, left.rows, right.rows, squares)
        for index, rule in self._weighed:
            if rule.name == "inverse_distance":
                totals = tile.weigh_by_nearness(self._square(self.scale.zero), weights)
            else:
                rim = self._square(self.scale.rim(rule))
                totals = tile.weigh_by_ball(rim, float(rule.include_self), weights)
            if rule.max_neighbors is not None:
                keys = self._keys(tile, rule.seed).masked_fill_(weights == 0, torch.inf)
                self._choose(self.keepers.capped[index], keys, tile, cosines)
            else:
                self._add_rule(index, tile, totals, weights, products, cosines)
        if self.keepers.nearest is not None:
            self._choose(self.keepers.nearest, squares, tile, cosines)
        if self.scale.bins:
            self._add_bins(tile, products, cosines)

    def _square(self, distance: float) -> float:
        """The squared Euclidean distance of points (of length 1 for the cosine) that far apart."""
        return 2 * distance if self.scale.distance == "cosine" else distance**2

    def _add_rule(
        self,
        index: int,
        tile: Tile,
        totals: Tensor,
        weights: Tensor,
        products: Tensor,
        cosines: Sequence[Tensor],
    ) -> None:
        height, width = weights.shape
        row, column = tile.rows.start, tile.columns.start
        below, across = self._ones[:height], self._ones[:width]
        self.totals[index].narrow(0, row, height).add_(totals)
        if not tile.diagonal:
            self.totals[index].narrow(0, column, width).add_(torch.mv(weights.T, below))
        for sums, cosine in zip(self.sums[index], cosines, strict=True):
            torch.mul(weights, cosine, out=products)
            sums.narrow(0, row, height).add_(torch.mv(products, across))
            if not tile.diagonal:
                sums.narrow(0, column, width).add_(torch.mv(products.T, below))

    def _choose(self, keeper: Nearest, keys: Tensor, tile: Tile, cosines: Sequence[Tensor]) -> None:
        """Offer the entries of the block that may be among the nearest of a line."""
        if tile.diagonal:
            found = keeper.first(keys, tile.rows.start)
        else:
            found = both(
                keeper.in_rows(keys, tile.rows.start), keeper.in_columns(keys, tile.columns.start)
            )
        values = [cosine.view(-1)[found.place] for cosine in cosines]
        with self.keepers.lock:
            keeper.take(found, values)

    def _keys(self, tile: Tile, seed: int) -> Tensor:
        first, second = (
            torch.arange(start, start + count, device=tile.squares.device)
            for start, count in zip(
                (tile.rows.start, tile.columns.start), tile.squares.shape, strict=True
            )
        )
        return pair_keys(first, second, seed)

    def _add_bins(self, tile: Tile, scaled: Tensor, cosines: Sequence[Tensor]) -> None:
        """Sort pairs into bins; each row has bins of its own, for short sums round less."""
        bins = self.scale.bins + 1
        if self.scale.distance == "cosine":
            torch.mul(tile.squares, self.scale.bins_per_distance / 2, out=scaled)
        else:
            torch.clamp(tile.squares, min=0.0, out=scaled).sqrt_()
            scaled.mul_(self.scale.bins_per_distance)
        scaled.clamp_(0.0, bins - 1)
        places = self._integers[: scaled.numel()].view(scaled.shape).copy_(scaled)
        places += self._starts[: places.shape[0]]
        flat, slots = places.view(-1), places.shape[0] * bins
        counts = torch.bincount(flat, minlength=slots).view(-1, bins).sum(dim=0)
        # Both orders of a pair are in a block of the diagonal.
        self.bin_pairs += counts // 2 if tile.diagonal else counts
        for total, cosine in zip(self.correlation, cosines, strict=True):
            binned = place_sums(flat, cosine.view(-1), slots).view(-1, bins)
            total.add_(binned.sum(dim=0, dtype=torch.float64), alpha=0.5 if tile.diagonal else 1.0)
