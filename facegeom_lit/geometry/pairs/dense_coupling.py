"""The sums over pairs from whole C × C matrices in float64: the choice for few curves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.geometry.directions import Directions
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.pairs.coupling import Coupling, Scale
from facegeom_lit.geometry.pairs.pair_keys import pair_keys
from facegeom_lit.geometry.placed import Placed
from facegeom_lit.geometry.points import pair_distances


def dense_coupling(
    points: Placed, fields: Sequence[Directions], rules: Sequence[Neighborhood], scale: Scale
) -> Coupling:
    """All pairs at once; memory O(F·C² + F·C·D).

    Args:
        points: C base points, C ≥ 2.
        fields: F fields at these points.
        rules: R neighbourhoods.
        scale: Units of distance.
    """
    distances = dense_distances(points)
    cosines = dense_cosines(fields)
    weights = [dense_weights(distances, rule, scale) for rule in rules]
    count = len(distances)
    sums = cosines.new_zeros((len(rules), len(fields), count))
    totals = cosines.new_zeros((len(rules), count))
    for index, weight in enumerate(weights):
        sums[index] = torch.einsum("ij,fij->fi", weight, cosines)
        totals[index] = weight.sum(dim=1)
    first, second = torch.triu_indices(count, count, 1, device=distances.device)
    places = distances[first, second].mul_(scale.bins_per_distance)
    places = places.clamp_(max=scale.bins).long()
    correlation = cosines.new_zeros((len(fields), scale.bins + 1))
    correlation.index_add_(1, places, cosines[:, first, second])
    pairs = torch.bincount(places, minlength=scale.bins + 1)
    return Coupling(sums, totals, correlation[:, :-1], pairs[:-1])


def dense_distances(points: Placed) -> Tensor:
    """Distances of all pairs, shape (C, C), float64."""
    placed = points.at(slice(None))
    return pair_distances(placed, placed, points.distance)


def dense_cosines(fields: Sequence[Directions]) -> Tensor:
    """Cosines of the directions of all pairs of curves, shape (F, C, C), float64."""
    units = torch.stack([field.units(slice(None), torch.float64) for field in fields])
    return units @ units.mT


def dense_weights(distances: Tensor, rule: Neighborhood, scale: Scale) -> Tensor:
    """Weight of each point (column) among the neighbours of each point (row).

    Args:
        distances: Shape (C, C), float64.
        rule: The neighbourhood.
        scale: Units of distance.

    Returns:
        Shape (C, C), float64, ≥ 0.
    """
    if rule.name == "inverse_distance":
        weights = distances.reciprocal().masked_fill_(distances <= scale.zero, 0.0)
        return weights.fill_diagonal_(0.0)
    if rule.name == "ball":
        inside = (distances <= scale.rim(rule)).fill_diagonal_(rule.include_self)
        if rule.max_neighbors is None:
            return inside.double()
        every = torch.arange(len(distances), device=distances.device)
        keys = pair_keys(every, every, rule.seed).double().masked_fill_(~inside, torch.inf)
        return _smallest(keys, rule.max_neighbors).mul_(inside)
    # A point is told from its duplicates by its index: itself first of all, or never.
    own = -1.0 if rule.include_self else torch.inf
    keys = distances.clone().fill_diagonal_(own)
    return _smallest(keys, rule.k).mul_(keys < torch.inf)


def _smallest(keys: Tensor, count: int) -> Tensor:
    """One at the `count` smallest keys of each row, zero elsewhere, shape (C, C), float64."""
    chosen = keys.topk(min(count, keys.shape[1]), dim=1, largest=False, sorted=False).indices
    return torch.zeros_like(keys).scatter_(1, chosen, 1.0)
