"""Sums over pairs of curves from which every measure of the microscale follows (GEOMETRY §1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.neighborhood import SLACK, Neighborhood
from facegeom_lit.geometry.points import Distance

TINY = 1e-30
"""Reach where all points are one and have no length: their pairs are in the first bin."""


@dataclass(frozen=True)
class Scale:
    """The units in which distances of base points are judged.

    Attributes:
        distance: The model's own distance.
        mean: Mean distance of the identity's embeddings: the unit of radii and bins.
        zero: The distance under which two points are the same.
        bins: Bins of the correlation function, over [0, `reach`].
        reach: In units of the mean distance.
    """

    distance: Distance
    mean: float
    zero: float
    bins: int = 0
    reach: float = 0.0

    def rim(self, rule: Neighborhood) -> float:
        """Largest distance inside the ball."""
        return max(rule.radius * self.mean * (1 + SLACK), self.zero)

    @property
    def bins_per_distance(self) -> float:
        """Factor from a distance to its bin: like a ball, a bin holds its far rim."""
        farthest = max(self.reach * self.mean, self.zero, TINY)
        return self.bins / (farthest * (1 + SLACK))


@dataclass(frozen=True)
class Coupling:
    """What one pass over the pairs yields for R neighbourhoods and F fields at C curves.

    Attributes:
        sums: Over the neighbours of each curve, weight × cosine of the two directions, shape
            (R, F, C), float64.
        totals: Weight of all neighbours of each curve, shape (R, C), float64, up to a common
            factor for each neighbourhood.
        correlation: Sum of the cosines of the pairs in each bin, shape (F, bins), float64.
        pairs: Pairs in each bin, shape (bins,), int64.
    """

    sums: Tensor
    totals: Tensor
    correlation: Tensor
    pairs: Tensor


def mean_cosines(sums: Tensor, totals: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over connected curves of the weighted mean cosine with their neighbours.

    Args:
        sums: Shape (..., C).
        totals: Shape (..., C).

    Returns:
        The means, shape (...), NaN where no curve is connected, and the number of isolated
        curves, shape (...).
    """
    connected = totals > 0
    means = torch.where(connected, sums / totals, 0.0).sum(dim=-1)
    return means / connected.sum(dim=-1), (~connected).sum(dim=-1)


def check_rules(rules: Sequence[Neighborhood]) -> None:
    """Raise FaceGeomError without a neighbourhood, or where two would share a label."""
    labels = [rule.label for rule in rules]
    if not labels:
        raise FaceGeomError("Argument `rules` must name at least one neighbourhood.")
    if len(set(labels)) < len(labels):
        raise FaceGeomError(f"Argument `rules` names a neighbourhood twice: {', '.join(labels)}.")
