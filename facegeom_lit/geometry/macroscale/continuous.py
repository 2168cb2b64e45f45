"""Attributes with many values: does distance in embedding space go with difference in value?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, comparable, pair_distances

FEWEST_POINTS = 4
"""The bias correction divides by n - 3."""

BATCH = 1 << 22
"""Numbers that a batch of permutations may hold at once."""


@dataclass(frozen=True)
class DistanceCorrelation:
    """Dependence between places in embedding space and values.

    Args:
        value: Bias-corrected squared distance correlation, at most 1; about 0 (and below it half
            of the time) where the two are independent. None where one side does not vary.
        p: Share of permutations that reach `value`, the observed order counted among them.
    """

    value: float | None
    p: float | None


def distance_correlation(
    points: Tensor,
    values: Tensor,
    *,
    distance: Distance = "cosine",
    permutations: int = 199,
    seed: int = 0,
) -> DistanceCorrelation:
    """Bias-corrected distance correlation with a permutation p.

    Under the cosine, points are compared by the chord between their unit vectors, the square root
    of twice the cosine distance: distance correlation needs a metric of strong negative type to
    see every kind of dependence, and the cosine distance itself, a squared one, sees linear
    dependence alone. Without the correction of the bias, points of many dimensions would seem to
    depend on anything.

    Args:
        points: One embedding for each identity, shape (I, D), such as its mean.
        values: The attribute of each, shape (I,), such as its mean.
        distance: The model's own distance.
        permutations: Of the values among the identities.
        seed: Of the permutations.

    Raises:
        FaceGeomError: With fewer than 4 identities, or values that are not one to one or not
            finite.

    Source: Székely and Rizzo, The distance correlation t-test of independence in high dimension,
        Journal of Multivariate Analysis 117, 2013; Partial distance correlation, Annals of
        Statistics 42(6), 2014 (U-centring).
    """
    count = len(points)
    if values.shape != (count,) or count < FEWEST_POINTS or not bool(values.isfinite().all()):
        raise FaceGeomError(
            f"A distance correlation needs one finite value for each of at least {FEWEST_POINTS} "
            f"identities, got {count} points and values of shape {tuple(values.shape)}."
        )
    placed = comparable(points, distance)
    apart = pair_distances(placed, placed, distance)
    if distance == "cosine":
        apart = (2 * apart).sqrt()
    apart = _centred(apart.fill_diagonal_(0.0))
    values = values.to(placed)
    gaps = _centred((values[:, None] - values).abs())
    norm = float((apart.square().sum() * gaps.square().sum()).sqrt())
    if norm == 0.0:
        return DistanceCorrelation(None, None)
    observed = float((apart * gaps).sum()) / norm
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(count, generator=generator) for _ in range(permutations)]
    if not orders:
        return DistanceCorrelation(observed, None)
    reached = 0
    for batch in torch.stack(orders).to(values.device).split(max(BATCH // count**2, 1)):
        drawn = values[batch]
        # `apart` is centred, so that the centring of the gaps changes nothing of the product.
        gaps = (drawn[:, :, None] - drawn[:, None]).abs_().flatten(1)
        reached += int((gaps @ apart.flatten() / norm >= observed - 1e-12).sum())
    return DistanceCorrelation(observed, (1 + reached) / (1 + permutations))


def _centred(distances: Tensor) -> Tensor:
    """U-centred distances (n, n): rows sum to zero without the diagonal, which is zero."""
    count = len(distances)
    rows = distances.sum(dim=1) / (count - 2)
    total = distances.sum() / ((count - 1) * (count - 2))
    return (distances - rows[:, None] - rows + total).fill_diagonal_(0.0)
