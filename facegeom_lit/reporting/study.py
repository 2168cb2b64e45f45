"""A study of finished runs: what each objective changed, and which moves its target most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.study_changes import (
    Change,
    arm_matrix,
    matrix_measures,
    study_changes,
    study_compatibility,
)
from facegeom_lit.reporting.study_checks import check_runs
from facegeom_lit.reporting.study_comparison import (
    Comparison,
    Means,
    arm_means,
    compare,
    equal_arms,
)
from facegeom_lit.reporting.study_runs import Record, Runs
from facegeom_lit.reporting.sweep_matrix import Cells

NONE, PULL = "Objective", "Invariance"
"""Objectives that are the identity loss alone; the second where its pull is 0."""


@dataclass(frozen=True, slots=True)
class Study:
    """What a report says.

    Args:
        runs: The runs.
        notes: What a reader must know: runs left out, cells missing, versions that differ.
        matrices: By (measure, arm): what fine-tuning for one attribute changed in every other.
        changes: Of each arm, attribute and measure.
        compatibility: What each arm left of the old gallery, for each attribute and figure.
        means: Of each arm and measure, over attributes.
        augmentation: The arm of augmentation alone; None where there is none.
        tolerance: Difference of the AUC's change that counts as equal.
        equal: Arms that verify as augmentation alone does.
        distances: Change of the AUC less that of augmentation alone, by arm.
        overall: All arms compared, by each geometric measure.
        at_equal: The arms in `equal` compared likewise; empty without an augmentation arm.
    """

    runs: Runs
    notes: tuple[str, ...]
    matrices: Mapping[tuple[str, str], Cells]
    changes: tuple[Change, ...]
    compatibility: tuple[Change, ...]
    means: Means
    augmentation: str | None
    tolerance: float
    equal: tuple[str, ...]
    distances: Mapping[str, Interval]
    overall: tuple[Comparison, ...]
    at_equal: tuple[Comparison, ...]


def make_study(runs: Runs, augmentation: str | None = None, tolerance: float = 0.002) -> Study:
    """Check runs against each other, and compare their arms.

    Args:
        runs: `read_runs`.
        augmentation: The arm that the others must verify as well as; None finds the one whose
            objective is the identity loss alone.
        tolerance: Difference of the AUC's change that counts as equal.

    Raises:
        FaceGeomError: When the runs cannot be compared, `augmentation` is no arm, or several arms
            are the identity loss alone and none of them is named.
    """
    notes = [*runs.notes, *check_runs(runs.runs)]
    arms, changes = runs.arms, study_changes(runs)
    matrices = {
        (measure, arm): cells
        for measure in matrix_measures(runs)
        for arm in arms
        if (cells := arm_matrix(runs, arm, measure))
    }
    found = _augmentation(runs, augmentation)
    equal, distances = ([], {}) if found is None else equal_arms(changes, arms, found, tolerance)
    measured = {change.measure for change in changes}
    geometric = [measure for measure in matrix_measures(runs) if measure in measured]
    return Study(
        runs,
        tuple(notes + _untargeted(runs, changes)),
        matrices,
        tuple(changes),
        tuple(study_compatibility(runs)),
        arm_means(changes),
        found,
        tolerance,
        tuple(equal),
        distances,
        tuple(compare(changes, measure, arms) for measure in geometric),
        tuple(compare(changes, measure, equal) for measure in geometric if found),
    )


def _augmentation(runs: Runs, named: str | None) -> str | None:
    arms = runs.arms
    if named is not None:
        if named not in arms:
            listed = "; ".join(arms)
            raise FaceGeomError(f"augmentation={named!r} is no arm of these runs. Arms: {listed}.")
        return named
    alone = [arm for arm in arms if all(map(_identity_loss_alone, runs.of(arm)))]
    if len(alone) > 1:
        raise FaceGeomError(
            f"These arms are all the identity loss alone: {'; '.join(alone)}. Say which of them "
            f"the others shall be compared with: augmentation='{alone[0]}'."
        )
    return alone[0] if alone else None


def _identity_loss_alone(record: Record) -> bool:
    if record["objective"] == PULL:
        return record["config"].get("objective", {}).get("pull") == 0
    return bool(record["objective"] == NONE)


def _untargeted(runs: Runs, changes: Sequence[Change]) -> list[str]:
    """Name runs whose target was not measured, and runs of no target."""
    there = {(change.arm, change.attribute) for change in changes if change.cell.identities}
    lacking = dict.fromkeys(run.cell[:2] for run in runs.runs if run.cell[:2] not in there)
    return [
        f"{arm}, {attribute}: no energy of the target was measured; not in the comparison of arms"
        for arm, attribute in lacking
    ]
