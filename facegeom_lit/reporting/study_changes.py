"""What each arm of a study changed for each attribute: the target's geometry, and verification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facegeom_lit.attributes import BASELINE
from facegeom_lit.reporting.study_runs import Record, Runs
from facegeom_lit.reporting.sweep_matrix import Cell, Cells, sweep_cells

VERIFY = "val/verify/"
OLD_GALLERY = "val/align/original/"
"""Prefix of the figures that compare with the untouched model: mapped, unmapped, both ways."""
VERIFIED = ("auc", "eer", "tar@")
"""Verification figures of a study, or how they begin."""

Table = Mapping[str, float]
"""Difference, after − before, of each identity."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an arm changed for one attribute that it was fine-tuned for.

    Args:
        arm: The arm.
        attribute: The targeted attribute.
        measure: `energy`, `response`, … of that attribute, or a verification figure.
        cell: Mean over seeds of after − before, with its 95 % interval.
        seeds: Difference of each seed; of a geometric measure that of each identity.
    """

    arm: str
    attribute: str
    measure: str
    cell: Cell
    seeds: Mapping[int, Table]


def study_changes(runs: Runs) -> list[Change]:
    """Return every measure's change for every arm and targeted attribute.

    The change of the target's energy and response is joined as in a sweep's matrix: identities are
    averaged over seeds and drawn with replacement, and the range of the seeds is always inside the
    interval. Verification is no mean over identities: its value is the mean over seeds, its ends
    are the means of the seeds' ends (their intervals speak of the same people), widened likewise.

    Args:
        runs: Runs that may be compared. Those of no attribute target nothing and are not here.
    """
    changes = []
    for arm in runs.arms:
        records = runs.of(arm)
        for attribute in dict.fromkeys(record["attribute"] for record in records):
            if attribute == BASELINE:
                continue
            own = [record for record in records if record["attribute"] == attribute]
            changes += _geometry(arm, attribute, own) + _verification(arm, attribute, own)
    return changes


def study_compatibility(runs: Runs) -> list[Change]:
    """Return what every arm left of the old gallery, by `<map>/<direction>/<figure>`.

    That is how the gallery of the untouched model serves after the fine-tuning, less how it served
    that model itself; joined as verification is in `study_changes`. Empty where no run compared
    with the untouched model.

    Args:
        runs: Runs that may be compared.
    """
    changes = []
    for arm in runs.arms:
        records = runs.of(arm)
        for attribute in dict.fromkeys(record["attribute"] for record in records):
            if attribute == BASELINE:
                continue
            own = [record for record in records if record["attribute"] == attribute]
            found = dict.fromkeys(name for r in own for name in r["differences"])
            names = {
                name: name.removeprefix(OLD_GALLERY)
                for name in found
                if name.startswith(OLD_GALLERY) and name.count("/") == OLD_GALLERY.count("/") + 2
            }
            changes += _figures(arm, attribute, own, names)
    return changes


def arm_matrix(runs: Runs, arm: str, measure: str) -> Cells:
    """Return one arm's matrix: (fine-tuned for, measured) → difference; rows ordered as columns."""
    cells = sweep_cells([_plain(record) for record in runs.of(arm)], measure)
    order = {name: place for place, name in enumerate(dict.fromkeys(key[1] for key in cells))}
    return dict(sorted(cells.items(), key=lambda item: order.get(item[0][0], len(order))))


def matrix_measures(runs: Runs) -> list[str]:
    """Return the geometric measures that any run holds differences of."""
    found = [run.record["identity_differences"] for run in runs.runs]
    return list(dict.fromkeys(name for tables in found for name in tables if tables[name]))


def run_changes(changes: Sequence[Change]) -> dict[tuple[str, str, int], dict[str, float]]:
    """Return each run's change of every measure, by arm, attribute and seed."""
    found: dict[tuple[str, str, int], dict[str, float]] = {}
    for change in changes:
        for seed, table in change.seeds.items():
            if table:
                run = found.setdefault((change.arm, change.attribute, seed), {})
                run[change.measure] = _mean(list(table.values()))
    return found


def paired(first: Change, second: Change, signs: tuple[int, int] = (1, 1)) -> float | None:
    """Mean over shared seeds of `first − second`, over the identities that both have.

    Args:
        first: A change of one arm.
        second: The same measure and attribute of another.
        signs: What each side is multiplied with.

    Returns:
        The difference; None where no seed and identity is shared.
    """
    differences = []
    for seed in first.seeds.keys() & second.seeds.keys():
        a, b = first.seeds[seed], second.seeds[seed]
        shared = a.keys() & b.keys()
        if shared:
            total = sum(signs[0] * a[name] - signs[1] * b[name] for name in shared)
            differences.append(total / len(shared))
    return sum(differences) / len(differences) if differences else None


def _plain(record: Record) -> Record:
    """Return the record as an arm's own sweep would have it: attribute and seed alone differ."""
    words = [f"attribute={record['attribute']}", f"seed={record['seed']}"]
    return record | {"overrides": words}


def _geometry(arm: str, attribute: str, records: Sequence[Record]) -> list[Change]:
    changes = []
    plain = [_plain(record) for record in records]
    for measure in dict.fromkeys(name for r in records for name in r["identity_differences"]):
        cell = sweep_cells(plain, measure).get((attribute, attribute))
        if cell is not None:
            tables = {
                record["seed"]: record["identity_differences"].get(measure, {}).get(attribute, {})
                for record in records
            }
            changes.append(Change(arm, attribute, measure, cell, tables))
    return changes


def _verification(arm: str, attribute: str, records: Sequence[Record]) -> list[Change]:
    names = dict.fromkeys(name for r in records for name in r["differences"] if VERIFY in name)
    measures = {name: name.rsplit("/", 1)[-1] for name in names}
    chosen = {name: m for name, m in measures.items() if m.startswith(VERIFIED)}
    return _figures(arm, attribute, records, chosen)


def _figures(
    arm: str, attribute: str, records: Sequence[Record], names: Mapping[str, str]
) -> list[Change]:
    """Join logged figures, which are no means over identities; `names`: logged name → measure."""
    changes = []
    for name, measure in names.items():
        found = {
            record["seed"]: entry
            for record in records
            if (entry := record["differences"].get(name)) and entry["difference"] is not None
        }
        if not found:
            continue
        values, lows, highs = (
            [entry[key] for entry in found.values()] for key in ("difference", "low", "high")
        )
        known = None not in lows and None not in highs
        cell = Cell(
            _mean(values),
            min(_mean(lows), *values) if known else None,
            max(_mean(highs), *values) if known else None,
            0,
        )
        tables = {seed: {measure: entry["difference"]} for seed, entry in found.items()}
        changes.append(Change(arm, attribute, measure, cell, tables))
    return changes


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
