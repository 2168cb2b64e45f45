"""Which arm of a study moves its target most, over attributes, and at equal verification."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from scipy import stats

from facegeom_lit.geometry.statistics import FEWEST, Interval, bootstrap_interval, holm
from facegeom_lit.reporting.study_changes import Change, paired
from facegeom_lit.reporting.sweep_matrix import Cell

AUC = "auc"
SIGNIFICANT = 0.05

Means = dict[tuple[str, str], Interval]
"""(arm, measure) → mean change over attributes, with its interval over attributes."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two arms compared on the attributes and seeds that both have.

    Args:
        measure: What was compared.
        first: The arm with the larger mean change.
        second: The other one.
        difference: Change of the first less that of the second, each counted in its arm's own
            direction, as a mean over attributes with a 95 % bootstrap interval over them.
        p: Of Wilcoxon's signed-rank test over attributes; None where nothing differs.
        p_holm: Adjusted for all pairs that were compared together.
    """

    measure: str
    first: str
    second: str
    difference: Interval
    p: float | None
    p_holm: float | None

    @property
    def told_apart(self) -> bool:
        """Whether interval and test agree that the arms differ."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or self.p_holm is None:
            return False
        return (low > 0 or high < 0) and self.p_holm < SIGNIFICANT


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms compared by one measure.

    Args:
        measure: What is compared: `energy`, `response`, ….
        arms: From the largest to the smallest mean change, in size.
        means: Mean change of each arm over attributes.
        pairs: Every two of them.
    """

    measure: str
    arms: tuple[str, ...]
    means: Means
    pairs: tuple[Pair, ...]


def arm_means(changes: Sequence[Change]) -> Means:
    """Average each arm's changes over attributes, seeds first; draw attributes for the interval."""
    values: dict[tuple[str, str], list[float]] = {}
    for change in changes:
        if change.cell.value is not None:
            values.setdefault((change.arm, change.measure), []).append(change.cell.value)
    return {key: _interval(found) for key, found in values.items()}


def compare(changes: Sequence[Change], measure: str, arms: Sequence[str]) -> Comparison:
    """Compare arms by how far they move one measure of their targets.

    An arm's direction is the sign of its mean change, so that one that lowers an energy is compared
    with one that raises it by how far each goes.

    Args:
        changes: `study_changes`.
        measure: `energy`, `response`, ….
        arms: Those to compare; those without the measure are left out.
    """
    means = {key: mean for key, mean in arm_means(changes).items() if key[1] == measure}
    known = [arm for arm in arms if (arm, measure) in means]
    known.sort(key=lambda arm: -abs(_value(means[arm, measure])))
    pairs = []
    for first, second in itertools.combinations(known, 2):
        signs = (_sign(means[first, measure]), _sign(means[second, measure]))
        pairs.append(_pair(changes, measure, first, second, signs))
    tested = [pair for pair in pairs if pair.p is not None]
    adjusted = iter(holm([pair.p for pair in tested if pair.p is not None]))
    pairs = [pair if pair.p is None else replace(pair, p_holm=next(adjusted)) for pair in pairs]
    return Comparison(measure, tuple(known), means, tuple(pairs))


def equal_arms(
    changes: Sequence[Change], arms: Sequence[str], augmentation: str, tolerance: float
) -> tuple[list[str], dict[str, Interval]]:
    """Return the arms that verify as augmentation alone does, and every arm's distance from it.

    Args:
        changes: `study_changes`.
        arms: All arms.
        augmentation: The arm of augmentation alone.
        tolerance: Largest size of the mean difference of the AUC's change that counts as equal.

    Returns:
        The arms within the tolerance, and change of the AUC less that of augmentation, by arm.
    """
    distances = {
        arm: _pair(changes, AUC, arm, augmentation, (1, 1)).difference
        for arm in arms
        if arm != augmentation
    }
    near = [
        arm
        for arm in arms
        if arm == augmentation
        or ((value := distances[arm].value) is not None and abs(value) <= tolerance)
    ]
    return near, distances


def verdict(comparison: Comparison) -> str:
    """Say which arm moves its target most, or that none can be told to, with the numbers."""
    measure, arms, means = comparison.measure, comparison.arms, comparison.means
    if not arms:
        return f"No arm has the {measure} of its targets."
    best = arms[0]
    found = means[best, measure]
    told = f"'{best}' ({interval_text(found)} over {found.count} attributes)"
    if len(arms) == 1:
        return f"Only one arm to look at: {told}."
    if found.low is None or found.high is None:
        return (
            f"Too few attributes to tell: {FEWEST} are needed. The largest mean change of the "
            f"{measure} is that of {told}."
        )
    if found.low <= 0 <= found.high:
        return (
            f"Nobody wins: even the largest mean change of the {measure}, of {told}, may be zero."
        )
    against = [pair for pair in comparison.pairs if pair.first == best]
    level = [pair for pair in against if not pair.told_apart or _value(pair.difference) < 0]
    if level:
        rivals = "; ".join(map(_against, level))
        nobody = (
            f"Nobody wins: {told} moves the {measure} most, but is not told apart from {rivals}."
        )
        # Wilcoxon's smallest p, where all attributes agree in sign, times the number of tests
        smallest = 2.0 ** (1 - found.count) * sum(pair.p is not None for pair in comparison.pairs)
        if smallest < SIGNIFICANT:
            return nobody
        return (
            f"{nobody} With {found.count} attributes and so many pairs of arms no p (Holm) can be "
            f"below {smallest:.2g}: report fewer arms, or look at the intervals alone."
        )
    rivals = "; ".join(map(_against, against))
    return f"{told} moves the {measure} of its target most, ahead of {rivals}."


def interval_text(interval: Interval | Cell, digits: int = 4) -> str:
    """Return a signed figure with its interval.

    Example:
        >>> interval_text(Interval(0.1, 0.05, 0.2, 8))
        '+0.1000 [+0.0500, +0.2000]'
    """
    if interval.value is None:
        return "–"
    text = f"{interval.value:+.{digits}f}"
    if interval.low is None or interval.high is None:
        return text
    return f"{text} [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]"


def p_text(p: float | None) -> str:
    """Return a p-value as text; an absent one is a dash."""
    return "–" if p is None else f"{p:.2g}"


def _against(pair: Pair) -> str:
    return f"'{pair.second}' by {interval_text(pair.difference)}, p = {p_text(pair.p_holm)} (Holm)"


def _pair(
    changes: Sequence[Change], measure: str, first: str, second: str, signs: tuple[int, int]
) -> Pair:
    of = {(c.arm, c.attribute): c for c in changes if c.measure == measure}
    differences = [
        value
        for arm, attribute in of
        if arm == first
        and (first_change := of[first, attribute])
        and (second_change := of.get((second, attribute)))
        and (value := paired(first_change, second_change, signs)) is not None
    ]
    p = None
    if any(differences):
        p = float(stats.wilcoxon(differences).pvalue)
    return Pair(measure, first, second, _interval(differences), p, None)


def _interval(values: Sequence[float]) -> Interval:
    return bootstrap_interval(torch.tensor(values, dtype=torch.float64))


def _value(interval: Interval) -> float:
    return interval.value or 0.0


def _sign(interval: Interval) -> int:
    return -1 if _value(interval) < 0 else 1
