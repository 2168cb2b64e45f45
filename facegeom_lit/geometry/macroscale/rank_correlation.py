"""Spearman's rank correlation over attributes, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import torch
from scipy import stats
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.statistics import FEWEST, percentiles

FEWEST_ATTRIBUTES = 3
"""Two points always lie on a line."""

ENUMERATED = 8
"""Up to so many attributes, p counts all orders (40,320): the t distribution needs many more."""


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation of two figures over attributes.

    Args:
        rho: In [-1, 1].
        p: Two-sided, of all orders of up to `ENUMERATED` attributes, else of the t distribution.
        low: Lower end of the percentile bootstrap's interval over attributes; None with too few.
        high: Upper end.
        count: Attributes that have both figures.
    """

    rho: float
    p: float
    low: float | None
    high: float | None
    count: int


def rank_correlation(
    first: Tensor,
    second: Tensor,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> RankCorrelation | None:
    """Spearman's correlation; ties share their mean rank.

    Args:
        first: One figure for each attribute, shape (A,); NaN marks an undefined one, left out.
        second: The other one, shape (A,).
        resamples: Bootstrap samples of attributes; 0: no interval.
        level: Coverage in (0, 1).
        seed: Of the samples.

    Returns:
        The correlation; None with fewer than three attributes, or where a figure does not vary.

    Raises:
        FaceGeomError: When the shapes differ.

    Example:
        >>> rank_correlation(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([3.0, 2.0, 1.0])).rho
        -1.0
    """
    if first.ndim != 1 or first.shape != second.shape:
        raise FaceGeomError(
            f"Both figures must be given for the same attributes, got shapes {tuple(first.shape)} "
            f"and {tuple(second.shape)}."
        )
    both = ~(first.isnan() | second.isnan())
    x, y = first[both].double().cpu(), second[both].double().cpu()
    count = len(x)
    if count < FEWEST_ATTRIBUTES or bool(x.min() == x.max()) or bool(y.min() == y.max()):
        return None
    found = stats.spearmanr(x.numpy(), y.numpy())
    p = float(found.pvalue)
    if count <= ENUMERATED:  # the t distribution would give 0 to a perfect order of three
        p = _enumerated_p(x, y)
    low = high = None
    if resamples and count >= FEWEST:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randint(count, (resamples, count), generator=generator)
        samples = _correlations(_ranks(x[drawn]), _ranks(y[drawn]))
        low, high = percentiles(samples[~samples.isnan()], level)
    return RankCorrelation(float(found.statistic), p, low, high, count)


def _enumerated_p(x: Tensor, y: Tensor) -> float:
    """Share of the orders of y whose |rho| reaches the one found."""
    first, second = _ranks(x[None]), _ranks(y[None])
    orders = torch.tensor(list(permutations(range(len(y)))))
    reached = _correlations(first, second[0, orders]).abs()
    # The identity is the first of the orders.
    return float((reached >= reached[0] - 1e-9).double().mean())


def _ranks(values: Tensor) -> Tensor:
    """Mean rank of each value in its row, from 1: (R, A) → (R, A)."""
    left, right = values[:, :, None], values[:, None]
    return (right < left).sum(dim=2) + ((right == left).sum(dim=2) + 1) / 2


def _correlations(x: Tensor, y: Tensor) -> Tensor:
    """Pearson's correlation of each row; NaN where a row does not vary."""
    x, y = (v.double() - v.double().mean(dim=1, keepdim=True) for v in (x, y))
    return (x * y).sum(dim=1) / (x.square().sum(dim=1) * y.square().sum(dim=1)).sqrt()
