"""Which of several samples over identities differ: all pairs tested, corrected together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations

from torch import Tensor

from facegeom_lit.geometry.statistics import (
    Interval,
    defined_mean,
    holm,
    mann_whitney,
    paired_interval,
    signed_rank,
    stars,
)


@dataclass(frozen=True)
class RankTest:
    """A rank test in its family.

    Attributes:
        statistic: U of the first sample (Mann-Whitney), or the smaller sum of ranks (Wilcoxon).
        p: Two-sided.
        corrected: Holm's p over the tests of the same kind in one call.
    """

    statistic: float
    p: float
    corrected: float

    @property
    def stars(self) -> str:
        """`*` corrected p < .05, `**` < .01, `***` < .001."""
        return stars(self.corrected)


@dataclass(frozen=True)
class Comparison:
    """Two samples over identities.

    Attributes:
        group: What both have in common, such as the attribute under which two models are compared.
        first: Name of the first sample.
        second: Name of the second.
        first_mean: Mean of the first; None without a defined value.
        second_mean: Mean of the second.
        difference: Second − first, over identities that have both, with its bootstrap interval.
        mann_whitney: The test of arXiv 2507.11372's figures, which takes the samples as
            independent; None where one is empty.
        signed_rank: The paired one (Wilcoxon); None where no identity has both.
    """

    group: str
    first: str
    second: str
    first_mean: float | None
    second_mean: float | None
    difference: Interval
    mann_whitney: RankTest | None
    signed_rank: RankTest | None


def compare(
    groups: Mapping[str, Mapping[str, Tensor]],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Comparison]:
    """Test all pairs of samples within each group; Holm's correction runs over all groups.

    Two models by attribute: `{attribute: {model: energies}}`. Two attributes by model:
    `{model: {attribute: energies}}`.

    Args:
        groups: Group → sample's name → one value for each identity, shape (I,), NaN where it is
            undefined. All samples of a group hold the same identities in the same order.
        resamples: Of the bootstrap of the differences.
        level: Its coverage in (0, 1).
        seed: Of the resampling.

    Returns:
        One comparison for each pair, group by group.

    Raises:
        FaceGeomError: When samples of a group differ in shape.

    Example:
        >>> import torch
        >>> low = torch.arange(20.0)
        >>> (found,) = compare({"pose": {"a": low, "b": low + 1}})
        >>> found.difference.value, found.signed_rank.stars, found.mann_whitney.stars
        (1.0, '***', '')
    """
    pairs = [
        (group, first, second)
        for group, samples in groups.items()
        for first, second in combinations(samples, 2)
    ]
    independent: dict[int, tuple[float, float]] = {}
    paired: dict[int, tuple[float, float]] = {}
    differences = []
    for index, (group, first, second) in enumerate(pairs):
        sides = groups[group][first], groups[group][second]
        differences.append(
            paired_interval(sides[1], sides[0], resamples=resamples, level=level, seed=seed)
        )
        if all(defined_mean(side) is not None for side in sides):
            independent[index] = mann_whitney(*sides)
        if differences[-1].count:
            paired[index] = signed_rank(*sides)
    independent_tests, paired_tests = _family(independent), _family(paired)
    return [
        Comparison(
            group,
            first,
            second,
            defined_mean(groups[group][first]),
            defined_mean(groups[group][second]),
            differences[index],
            independent_tests.get(index),
            paired_tests.get(index),
        )
        for index, (group, first, second) in enumerate(pairs)
    ]


def _family(tests: Mapping[int, tuple[float, float]]) -> dict[int, RankTest]:
    """Correct the p-values of tests of one kind together."""
    corrected = holm([p for _, p in tests.values()])
    return {
        index: RankTest(statistic, p, adjusted)
        for (index, (statistic, p)), adjusted in zip(tests.items(), corrected, strict=True)
    }


def comparison_columns(comparisons: Sequence[Comparison]) -> dict[str, list[object]]:
    """A table of comparisons, a row for each; None where something is undefined."""
    columns: dict[str, list[object]] = {}
    for row in comparisons:
        cells: dict[str, object] = {
            "group": row.group,
            "first": row.first,
            "second": row.second,
            "first_mean": row.first_mean,
            "second_mean": row.second_mean,
            "difference": row.difference.value,
            "low": row.difference.low,
            "high": row.difference.high,
            "identities": row.difference.count,
        }
        for name, test in (("mann_whitney", row.mann_whitney), ("signed_rank", row.signed_rank)):
            for part in fields(RankTest):
                value = None if test is None else getattr(test, part.name)
                cells[f"{name}_{part.name}"] = value
        for name, value in cells.items():
            columns.setdefault(name, []).append(value)
    return columns
