"""Chance and uncertainty: bootstrap intervals, rank tests and their correction (GEOMETRY §1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from facegeom_lit.errors import FaceGeomError

FEWEST = 6
"""Values that an interval needs: with fewer, no exchange of signs is as rare as 5 %, and the
percentile bootstrap's ends are little more than the smallest and the largest value."""

Statistic = Callable[[Tensor], Tensor]
"""Maps samples along the last dimension, (R, N), to one number each, (R,)."""


def mean(samples: Tensor) -> Tensor:
    """Mean along the last dimension."""
    return samples.mean(dim=-1)


def defined_mean(values: Tensor) -> float | None:
    """Mean of the values that are defined; None if none is.

    Args:
        values: Any shape; NaN marks an undefined value.

    Example:
        >>> defined_mean(torch.tensor([1.0, float("nan"), 2.0]))
        1.5
    """
    defined = values[~values.isnan()]
    return float(defined.double().mean()) if len(defined) else None


@dataclass(frozen=True)
class Interval:
    """A statistic and its percentile interval.

    Attributes:
        value: Of the values themselves; None without any.
        low: Lower end; None with fewer than `FEWEST` values.
        high: Upper end; None with fewer than `FEWEST` values.
        count: How many values were defined.
    """

    value: float | None
    low: float | None
    high: float | None
    count: int


def bootstrap_interval(
    values: Tensor,
    statistic: Statistic = mean,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over identities (Efron 1979).

    Of few identities it is too narrow: at a level of 0.95 the interval of a mean of normal values
    holds the true mean in 86 % of studies of 6 identities, 90 % of 10, 93 % of 20 and 94 % of 40.

    Args:
        values: One number for each identity, shape (I,); NaN marks an undefined one, left out.
        statistic: What is computed from the values.
        resamples: How many samples with replacement.
        level: Coverage in (0, 1).
        seed: Of the resampling.

    Returns:
        The statistic with its interval.

    Raises:
        FaceGeomError: When `values` is no vector or an argument is out of range.

    Example:
        >>> interval = bootstrap_interval(torch.arange(100.0))
        >>> interval.value, interval.low < 49.5 < interval.high
        (49.5, True)
    """
    check_bootstrap(resamples, level)
    if values.ndim != 1:
        raise FaceGeomError(
            f"`values` must hold one number for each identity, got shape {tuple(values.shape)}."
        )
    values = values.double().cpu()
    values = values[~values.isnan()]
    count = len(values)
    if count == 0:
        return Interval(None, None, None, 0)
    value = float(statistic(values))
    if count < FEWEST:
        return Interval(value, None, None, count)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(count, (resamples, count), generator=generator)
    low, high = percentiles(statistic(values[drawn]), level)
    return Interval(value, low, high, count)


def paired_interval(
    after: Tensor,
    before: Tensor,
    statistic: Statistic = mean,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """`bootstrap_interval` of `after − before`, over identities that have both.

    Args:
        after: One number for each identity, shape (I,); NaN marks an undefined one.
        before: The same identities in the same order, shape (I,).
        statistic: What is computed from the differences.
        resamples: How many samples with replacement.
        level: Coverage in (0, 1).
        seed: Of the resampling.

    Raises:
        FaceGeomError: When the shapes differ or an argument is out of range.
    """
    if after.shape != before.shape:
        raise FaceGeomError(
            f"`after` and `before` must hold the same identities, got shapes "
            f"{tuple(after.shape)} and {tuple(before.shape)}."
        )
    difference = after.double() - before.double()
    return bootstrap_interval(difference, statistic, resamples=resamples, level=level, seed=seed)


def check_bootstrap(resamples: int, level: float) -> None:
    """Raise FaceGeomError unless both arguments of a bootstrap are in range."""
    if resamples < 1 or not 0 < level < 1:
        raise FaceGeomError(
            f"`resamples` must be at least 1 and `level` between 0 and 1, got {resamples}, {level}."
        )


def percentiles(samples: Tensor, level: float) -> tuple[float, float]:
    """The ends of the central interval that holds a share `level` of the samples (R,)."""
    tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=samples.dtype)
    low, high = samples.quantile(tails.to(samples.device)).tolist()
    return low, high


def mann_whitney(first: Tensor, second: Tensor) -> tuple[float, float]:
    """Two-sided Mann-Whitney U test of two independent samples (SciPy's).

    Args:
        first: Values, shape (I,); NaN marks an undefined one, left out.
        second: Values, shape (J,).

    Returns:
        U of the first sample, and p.

    Raises:
        FaceGeomError: When a sample is empty.
    """
    samples = [values[~values.isnan()].double().cpu().numpy() for values in (first, second)]
    if not all(map(len, samples)):
        raise FaceGeomError("A Mann-Whitney test needs at least one defined value on each side.")
    result = stats.mannwhitneyu(*samples, alternative="two-sided")
    return float(result.statistic), float(result.pvalue)


def signed_rank(first: Tensor, second: Tensor) -> tuple[float, float]:
    """Two-sided Wilcoxon signed-rank test of paired values (SciPy's).

    Where the same identities are measured twice, it asks what a Mann-Whitney test cannot: whether
    they changed, however much they differ from each other.

    Args:
        first: One number for each identity, shape (I,); NaN marks an undefined one. Identities
            with one side undefined, or with no difference, are left out.
        second: The same identities in the same order, shape (I,).

    Returns:
        The smaller sum of ranks, and p: 0 and 1 where no identity differs.

    Raises:
        FaceGeomError: When the shapes differ, or no identity has both.
    """
    if first.shape != second.shape:
        raise FaceGeomError(
            f"`first` and `second` must hold the same identities, got shapes "
            f"{tuple(first.shape)} and {tuple(second.shape)}."
        )
    difference = (first.double() - second.double()).cpu()
    difference = difference[~difference.isnan()]
    if not len(difference):
        raise FaceGeomError("A signed-rank test needs an identity that is defined on both sides.")
    difference = difference[difference != 0]
    if not len(difference):
        return 0.0, 1.0
    result = stats.wilcoxon(difference.numpy(), alternative="two-sided")
    return float(result.statistic), float(result.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for the number of tests (Holm 1979).

    Args:
        p_values: One for each test.

    Returns:
        Adjusted p-values in the same order.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min((len(p_values) - rank) * p_values[index], 1.0))
        adjusted[index] = largest
    return adjusted


def stars(p: float) -> str:
    """Marks of significance: `*` p < .05, `**` < .01, `***` < .001.

    Example:
        >>> stars(0.004)
        '**'
    """
    return "*" * sum(p < bound for bound in (0.05, 0.01, 0.001))
