"""Nearest neighbours of a few points among all, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.geometry.directions import Directions
from facegeom_lit.geometry.placed import Placed
from facegeom_lit.geometry.points import blocks, pair_distances


def exact_neighbors(points: Placed, lines: Tensor, k: int, tile: int) -> Tensor:
    """The k nearest other points of some points, nearest first.

    A point is told from its duplicates by its index. Equal distances at rank k are broken in an
    unspecified but repeatable way.

    Args:
        points: C points.
        lines: Which of them, shape (N,).
        k: How many, up to C − 1.
        tile: Points that are held in float64 at a time.

    Returns:
        Indexes, shape (N, k).
    """
    chosen = [torch.empty((0, k), dtype=torch.int64, device=lines.device)]
    for part in blocks(len(lines), tile):
        own = lines[part]
        left = points.at(own)
        best = left.new_empty((len(own), 0))
        index = best.long()
        for columns in blocks(len(points), tile):
            distances = pair_distances(left, points.at(columns), points.distance)
            seen = torch.arange(columns.start, columns.stop, device=own.device)
            distances.masked_fill_(own.unsqueeze(1) == seen, torch.inf)
            best = torch.cat([best, distances], dim=1)
            index = torch.cat([index, seen.expand(len(own), -1)], dim=1)
            best, kept = best.topk(min(k, best.shape[1]), dim=1, largest=False)
            index = index.gather(1, kept)
        chosen.append(index)
    return torch.cat(chosen)


def neighbor_cosines(
    fields: Sequence[Directions], lines: Tensor, neighbors: Tensor, tile: int
) -> Tensor:
    """Cosines between the directions at some points and those at their neighbours.

    Args:
        fields: F fields.
        lines: Points, shape (N,).
        neighbors: Of each, shape (N, k).
        tile: Points whose neighbours' directions are held at a time, times k.

    Returns:
        Shape (F, N, k), float32.
    """
    k = neighbors.shape[1]
    cosines = torch.empty((len(fields), *neighbors.shape), device=lines.device)
    for part in blocks(len(lines), max(tile // k, 1)):
        for found, field in zip(cosines, fields, strict=True):
            own = field.units(lines[part], torch.float32)
            others = field.units(neighbors[part].flatten(), torch.float32)
            others = others.view(len(own), k, -1)
            found[part] = torch.bmm(others, own.unsqueeze(2)).squeeze(2)
    return cosines
