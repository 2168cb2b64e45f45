"""The sums over pairs block by block, each pair once: the choice for many curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock

import torch
from torch import Tensor

from facegeom_lit.geometry.directions import Directions
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.pairs.coupling import Coupling, Scale
from facegeom_lit.geometry.pairs.exact_neighbors import exact_neighbors, neighbor_cosines
from facegeom_lit.geometry.pairs.nearest import GROUP, Nearest
from facegeom_lit.geometry.pairs.pair_squares import PairSquares
from facegeom_lit.geometry.pairs.tile_sums import Keepers, Ready, TileSums
from facegeom_lit.geometry.placed import Placed
from facegeom_lit.geometry.points import blocks
from facegeom_lit.geometry.side_by_side import SideBySide

SPAN = 16
"""Blocks of points and directions that stand ready, of rows and again of columns."""


def streamed_coupling(
    points: Placed,
    fields: Sequence[Directions],
    rules: Sequence[Neighborhood],
    scale: Scale,
    tile: int,
) -> Coupling:
    """All pairs in square blocks: products in float32, sums in float64.

    On a CPU, blocks are worked side by side, each on its own thread: passes over a block in cache
    are too short to be shared out.

    Memory beside the inputs: for each worker 4 + F blocks of `tile`², twice `SPAN` blocks of
    `tile` × D in all, and for each curve its sums and its nearest keys.

    Args:
        points: C base points, C ≥ 2.
        fields: F fields at these points.
        rules: R neighbourhoods.
        scale: Units of distance.
        tile: Rows of a block; made a little smaller where the last one would be nearly empty.
    """
    pairs = PairSquares(points)
    with SideBySide(points.device) as workers:
        size = _tile_rows(len(points), tile, workers.number)
        tiles = blocks(len(points), size)
        lines = len(tiles) * size
        keepers = _keepers(rules, len(points), lines, len(fields), points.device)
        parts = [
            TileSums(pairs, rules, len(fields), scale, keepers, lines, size)
            for _ in range(workers.number)
        ]
        held = max(SPAN // (1 + len(fields)), 1)
        spans = [tiles[start : start + held] for start in range(0, len(tiles), held)]
        ready: list[Ready] = []
        # The diagonal first: it gives every curve its first neighbours, and so a mark to beat.
        for span in spans:
            ready.clear()  # before the next are made: two spans at a time are too much
            ready += workers.map(partial(_ready, pairs, fields), span)
            halves = [block.halves() for block in ready]
            workers.do(parts, [(half, half) for pair in halves for half in pair], TileSums.add)
            workers.do(parts, [(h[0], h[1]) for h in halves if len(h) == 2], TileSums.add)
            del halves
        for index, span in enumerate(spans):
            if len(spans) > 1:
                ready.clear()
                ready += workers.map(partial(_ready, pairs, fields), span)
            tasks = [(row, column) for i, column in enumerate(ready) for row in ready[:i]]
            workers.do(parts, tasks, TileSums.add)
            for later in spans[index + 1 :]:
                columns = workers.map(partial(_ready, pairs, fields), later)
                tasks = [(row, column) for column in columns for row in ready]
                workers.do(parts, tasks, TileSums.add)
                del columns, tasks
    coupling = Coupling(
        _sum(torch.stack([torch.stack(sums) for sums in part.sums]) for part in parts),
        _sum(torch.stack(part.totals) for part in parts),
        _sum(torch.stack(part.correlation) for part in parts)[:, :-1],
        _sum(part.bin_pairs for part in parts)[:-1],
    )
    _settle(coupling, rules, keepers, pairs, fields, size)
    count = len(points)
    return replace(coupling, sums=coupling.sums[..., :count], totals=coupling.totals[..., :count])


def _tile_rows(count: int, most: int, workers: int) -> int:
    """Rows of a block, in whole groups, so that each worker gets as many blocks as the others."""
    number = -(-count // max(most, GROUP))
    while number * (number - 1) // 2 % workers:
        number += 1
    return -(-count // (number * GROUP)) * GROUP


def _ready(pairs: PairSquares, fields: Sequence[Directions], rows: slice) -> Ready:
    height = -(-(rows.stop - rows.start) // GROUP) * GROUP
    return Ready(rows, pairs.left(rows, height), [_units(f, rows, height) for f in fields])


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(dim=0)


def _units(field: Directions, rows: slice, height: int) -> Tensor:
    """Directions of some rows, and zeros below."""
    units = field.units(rows, torch.float32)
    missing = height - len(units)
    return torch.nn.functional.pad(units, (0, 0, 0, missing)) if missing else units


def _keepers(
    rules: Sequence[Neighborhood], count: int, lines: int, fields: int, device: torch.device
) -> Keepers:
    most = max((rule.k for rule in rules if rule.name == "knn"), default=0)
    # One more than the largest k: whether rank k is sure shows in the next.
    nearest = Nearest(lines, min(most + 1, count - 1), fields, device) if most else None
    capped = {
        index: Nearest(lines, rule.max_neighbors, fields, device)
        for index, rule in enumerate(rules)
        if rule.max_neighbors is not None
    }
    return Keepers(nearest, capped, Lock())


def _settle(
    coupling: Coupling,
    rules: Sequence[Neighborhood],
    keepers: Keepers,
    pairs: PairSquares,
    fields: Sequence[Directions],
    size: int,
) -> None:
    """Sums over those that were kept; where float32 cannot tell rank k, neighbours found anew."""
    count, nearest = len(pairs.points), keepers.nearest
    for index, capped in keepers.capped.items():
        seen = capped.keys < torch.inf
        coupling.totals[index] = seen.sum(dim=1)
        values = torch.where(seen, capped.values, 0.0)
        coupling.sums[index] = values.sum(dim=2, dtype=torch.float64)
    if nearest is None:
        return
    wanted = [index for index, rule in enumerate(rules) if rule.name == "knn"]
    keys, kept = nearest.keys[:count], nearest.keys.shape[1]
    doubtful = torch.zeros(count, dtype=torch.bool, device=keys.device)
    for index in wanted:
        others = rules[index].k - rules[index].include_self
        if 0 < others < kept:
            doubtful |= keys[:, others] - keys[:, others - 1] <= 2 * pairs.error
    lines = doubtful.nonzero().flatten()
    if len(lines):
        again = exact_neighbors(pairs.points, lines, kept, size)
        nearest.values[:, lines] = neighbor_cosines(fields, lines, again, size)
    for index in wanted:
        own = int(rules[index].include_self)
        others = min(rules[index].k - own, count - 1)
        coupling.sums[index] = nearest.values[:, :, :others].sum(dim=2, dtype=torch.float64) + own
        coupling.totals[index] = others + own
