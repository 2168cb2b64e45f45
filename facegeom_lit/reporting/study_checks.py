"""Whether runs may be compared, and what a reader of their comparison must know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.reporting.study_runs import Run

SAME_IN_AN_ARM = ("objective", "training", "tuning", "head", "backbone", "model")
"""Groups of settings that follow from neither attribute nor seed."""
TRAIN = "train"
"""Face set that each attribute and seed has its own of."""
GEOMETRY = ("attribute_geometry", "exact_geometry")
"""Callbacks that measure energies."""

Facts = Callable[[Run], dict[str, Any]]
"""What is looked at in a run, by name."""


def check_runs(runs: Sequence[Run]) -> list[str]:
    """Refuse runs that cannot be compared; return remarks on those that can.

    Raises:
        FaceGeomError: When a run is there twice, or two were measured on other faces, measured
            otherwise, or are one arm by name alone; the message names both.
    """
    check_once(runs)
    check_comparable(runs)
    return [*differing(runs), *unshared(runs), *missing(runs)]


def check_once(runs: Sequence[Run]) -> None:
    """Refuse a run that is there twice."""
    for key in (lambda run: run.cell, lambda run: run.record["config_hash"]):
        twice = [group for group in _grouped(runs, key).values() if len(group) > 1]
        if twice:
            listed = "; ".join(
                f"{', '.join(map(str, group[0].cell[:2]))}, seed {group[0].record['seed']}: "
                + " and ".join(str(run.folder) for run in group)
                for group in twice
            )
            raise FaceGeomError(
                f"runs: the same run is there more than once. Leave out all but one of {listed}"
            )


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuse runs that were measured on other faces or otherwise, or that share but their words."""
    sets = {name for run in runs for name in run.record["face_sets"]} - {TRAIN}
    _check_equal(
        runs,
        lambda run: {name: run.record["face_sets"].get(name) for name in sets},
        "were measured on different faces",
        "compare runs that share their lattice and verification set",
    )
    _check_equal(
        runs, _measuring, "were measured in different ways", "compare runs with the same settings"
    )
    for arm in _grouped(runs, lambda run: run.arm).values():
        _check_equal(
            arm,
            lambda run: {"weights": run.record["weights"].get("model_before")},
            f"are both called {arm[0].arm!r} and began with different",
            "fine-tune them from the same model",
        )
        _check_equal(
            arm,
            _settings,
            f"are both called {arm[0].arm!r} and differ in a setting",
            "its default may have changed between them: run one again",
        )


def _check_equal(runs: Sequence[Run], facts: Facts, what: str, remedy: str) -> None:
    """Refuse two runs that both know a fact and differ in it; `unshared` names the others."""
    known: dict[str, tuple[Any, Run]] = {}
    for run in runs:
        for key, value in facts(run).items():
            expected, first = known.setdefault(key, (value, run))
            if expected != value:
                raise FaceGeomError(
                    f"runs: {first.folder} and {run.folder} {what}: {key} ({str(expected)[:40]} "
                    f"against {str(value)[:40]}). Report them apart, or {remedy}."
                )


def _measuring(run: Run) -> dict[str, Any]:
    """How a run's energies were measured, flat."""
    return {
        f"callbacks.{name}.{key}": value
        for name in GEOMETRY
        for key, value in (run.record["config"].get("callbacks", {}).get(name) or {}).items()
    }


def _settings(run: Run) -> dict[str, Any]:
    """What the runs of an arm must share, flat; places and the attribute's own words left out."""
    found: dict[str, Any] = {}

    def walk(node: Any, key: str) -> None:
        if isinstance(node, dict):
            for name, value in node.items():
                walk(value, f"{key}.{name}")
        elif node != run.record["attribute"] and run.record["name"] not in str(node):
            found[key] = node

    for group in SAME_IN_AN_ARM:
        walk(run.record["config"].get(group), group)
    return found


def differing(runs: Sequence[Run]) -> list[str]:
    """Say where arms began with different models, and which versions made the runs."""
    notes = []
    facts: dict[str, Callable[[Run], str]] = {
        "start weights": lambda run: str(run.record["weights"].get("model_before"))[:12],
        "maker of faces": lambda run: str(run.record.get("maker_version")),
    }
    names = sorted({name for run in runs for name in run.record["versions"]})
    for name in names:
        facts[f"version of {name}"] = lambda run, name=name: str(  # type: ignore[misc]
            run.record["versions"].get(name)
        )
    for what, fact in facts.items():
        groups = _grouped(runs, fact)
        if len(groups) > 1:
            counts = ", ".join(f"{value}: {len(group)} runs" for value, group in groups.items())
            notes.append(f"the runs differ in {what} ({counts})")
    return notes


def unshared(runs: Sequence[Run]) -> list[str]:
    """Name settings that runs of the same arm do not all know: a version added or removed them."""
    found: dict[str, None] = {}
    groups: list[tuple[Sequence[Run], Facts]] = [(runs, _measuring)]
    groups += [(arm, _settings) for arm in _grouped(runs, lambda run: run.arm).values()]
    for group, facts in groups:
        keys = [set(facts(run)) for run in group]
        found |= dict.fromkeys(sorted(keys[0].union(*keys) - keys[0].intersection(*keys)))
    return [f"only some runs know the settings {', '.join(found)}"] if found else []


def missing(runs: Sequence[Run]) -> list[str]:
    """Name the cells that other arms, attributes or seeds would lead one to expect."""
    cells = [run.cell for run in runs]
    arms, attributes, seeds = (list(dict.fromkeys(axis)) for axis in zip(*cells, strict=True))
    there = set(cells)
    absent: dict[tuple[str, str], list[int]] = defaultdict(list)
    for arm in arms:
        for attribute in attributes:
            for seed in seeds:
                if (arm, attribute, seed) not in there:
                    absent[arm, attribute].append(seed)
    return [
        f"missing: {arm}, {attribute}, seed {', '.join(map(str, sorted(lacking)))}"
        for (arm, attribute), lacking in absent.items()
    ]


def _grouped(runs: Sequence[Run], key: Callable[[Run], Any]) -> dict[Any, list[Run]]:
    groups: dict[Any, list[Run]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return groups
