"""What each arm of a study left of the old gallery, beside what it changed for its target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facegeom_lit.reporting.evaluation_tables import hardest
from facegeom_lit.reporting.study_changes import Change
from facegeom_lit.reporting.study_comparison import arm_means
from facegeom_lit.reporting.sweep_matrix import Cell

SERVICES: Mapping[str, str] = {
    "none/to": "old gallery as it is",
    "ridge/to": "new probes mapped to the old gallery",
    "ridge/from": "old templates mapped to the new model",
}
"""How an old gallery may go on serving, by map and direction of the alignment with `original`."""

WEIGHT = "weight="


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an arm stands between its goal and the old gallery.

    Args:
        arm: The arm.
        goal: Change of the target's geometry.
        service: Change of a figure of the old gallery: the new model served, after − before.
    """

    arm: str
    goal: Cell
    service: Cell


@dataclass(frozen=True, slots=True)
class Family:
    """Arms that differ in a weight alone, by it: one curve.

    Args:
        name: What they share and others do not; empty where nothing.
        standings: In the order of the weights.
        weights: Of each, in words; empty for an arm without one.
    """

    name: str
    standings: tuple[Standing, ...]
    weights: tuple[str, ...]


def service_figures(compatibility: Sequence[Change]) -> list[str]:
    """Return the figures to draw that the runs hold: rank-1, and TAR at the lowest FAR."""
    found = {change.measure.rpartition("/")[2] for change in compatibility}
    return [name for name in ("rank1", hardest(found, "tar")) if name in found]


def standings(
    changes: Sequence[Change], compatibility: Sequence[Change], goal: str, service: str
) -> list[Standing]:
    """Return every arm that both figures are known of.

    Of one attribute with the intervals over people and seeds, of several with those over
    attributes.

    Args:
        changes: `study_changes`.
        compatibility: `study_compatibility`.
        goal: `energy`, `response`, ….
        service: Such as `none/to/rank1`.
    """
    x, y = _by_arm(changes, goal), _by_arm(compatibility, service)
    return [Standing(arm, x[arm], y[arm]) for arm in x if arm in y]


def frontier(found: Sequence[Standing]) -> list[Standing]:
    """Return the arms that no other arm beats in both goal and service, from the least goal on.

    A change of the goal counts in the direction of the largest.

    Args:
        found: All arms.
    """
    if not found:
        return []
    sign = 1 if max((_value(one.goal) for one in found), key=abs) >= 0 else -1
    best: list[Standing] = []
    for one in sorted(found, key=lambda s: (-sign * _value(s.goal), -_value(s.service))):
        if not best or _value(one.service) > _value(best[-1].service):
            best.append(one)
    return best[::-1]


def families(found: Sequence[Standing]) -> list[Family]:
    """Sort arms into curves along their weight; one of weight 0 begins every curve that it may.

    Args:
        found: All arms; their names are what they chose, joined by commas.
    """
    words = {one.arm: set(one.arm.split(", ")) for one in found}
    shared = set.intersection(*words.values()) if words else set()
    choices = {
        one.arm: tuple(
            word
            for word in one.arm.split(", ")
            if word not in shared and not word.startswith(WEIGHT)
        )
        for one in found
    }
    weights = {
        one.arm: next((w.removeprefix(WEIGHT) for w in words[one.arm] if w.startswith(WEIGHT)), "")
        for one in found
    }
    zeros = [one for one in found if weights[one.arm] and float(weights[one.arm]) == 0]
    curves = {}
    for name in dict.fromkeys(choices.values()):
        own = [one for one in found if choices[one.arm] == name and one not in zeros]
        begin = [one for one in zeros if set(choices[one.arm]) <= set(name)]
        if own or not any(set(name) < set(other) for other in choices.values()):
            own.sort(key=lambda one: float(weights[one.arm] or 0))
            curve = (*begin, *own)
            marks = tuple(weights[one.arm] for one in curve)
            curves[name] = Family(", ".join(name), curve, marks)
    return list(curves.values())


def _by_arm(changes: Sequence[Change], measure: str) -> dict[str, Cell]:
    own = [c for c in changes if c.measure == measure and c.cell.value is not None]
    if len({change.attribute for change in own}) == 1:
        return {change.arm: change.cell for change in own}
    return {
        arm: Cell(mean.value, mean.low, mean.high, mean.count)
        for (arm, _), mean in arm_means(own).items()
    }


def _value(cell: Cell) -> float:
    return cell.value or 0.0
