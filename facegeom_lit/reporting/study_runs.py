"""The finished runs of a study: found, read, and sorted into arms."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import read_json
from facegeom_lit.reporting.run_record import COMPLETE, RUN_FILE

TRACE = ".hydra"
"""Folder that a run leaves from its first second on, complete or not."""
JOBS = "jobs"
"""Folder of a sweep with a note of each of its jobs."""
PLACES = ("paths", "logger", "rerun", "export", "optimize", "hydra")
"""Settings that say where and how a run is kept, not what it computes."""
OF_EACH = ("attribute", "seed")
"""Settings that an arm repeats: what is averaged over."""
_NEEDED: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "attribute": str,
    "objective": str,
    "seed": int,
    "overrides": list,
    "differences": dict,
    "identity_differences": dict,
    "config": dict,
    "config_hash": str,
    "weights": dict,
    "face_sets": dict,
    "versions": dict,
}

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """A complete run.

    Args:
        folder: Where it stands.
        record: Its `run.json`.
        arm: What it did but for the attribute and the seed, e.g. `invariance, pull=0`.
    """

    folder: Path
    record: Record
    arm: str

    @property
    def cell(self) -> tuple[str, str, int]:
        """The arm, the attribute and the seed: a study holds each once."""
        return self.arm, self.record["attribute"], self.record["seed"]


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs that may be compared, and what a reader must know about them."""

    runs: tuple[Run, ...]
    notes: tuple[str, ...]

    @property
    def arms(self) -> list[str]:
        """The arms, in the order in which they first come."""
        return list(dict.fromkeys(run.arm for run in self.runs))

    def of(self, arm: str) -> list[Record]:
        """The records of one arm."""
        return [run.record for run in self.runs if run.arm == arm]


def read_runs(sources: Sequence[str | Path]) -> Runs:
    """Find the runs below folders.

    Args:
        sources: Folders of runs or of sweeps, or folders that hold such.

    Raises:
        FaceGeomError: When a folder does not exist, a record is broken, or no run is complete.
    """
    words: dict[Path, list[str] | None] = {}
    notes: list[str] = []
    for source in sources:
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise FaceGeomError(f"runs: {folder} is no folder. Name folders of finished runs.")
        words |= {path.resolve(): told for path, told in _below(folder, notes).items()}
    records = {
        path: record | ({"overrides": told} if told is not None else {})
        for path, told in words.items()
        if (record := _read(path, notes)) is not None
    }
    if not records:
        raise FaceGeomError(
            f"runs: no complete run in {', '.join(map(str, sources))}. Name folders that train.py "
            "made: of runs, or of sweeps. " + " ".join(f"{note}." for note in notes[:5])
        )
    names = _arm_names(list(records.values()))
    runs = tuple(
        Run(path, record, name) for (path, record), name in zip(records.items(), names, strict=True)
    )
    return Runs(runs, tuple(notes))


def _below(folder: Path, notes: list[str]) -> dict[Path, list[str] | None]:
    """Return the folders of runs at or below a folder; nothing inside a run or a sweep is one.

    A run that a sweep names comes with its words there.
    """
    found: dict[Path, list[str] | None] = {}
    for place, names, files in os.walk(folder):
        path = Path(place)
        if RUN_FILE in files or TRACE in names:
            names.clear()
            found.setdefault(path, None)
        elif any((path / JOBS).glob("*.json")):
            names.clear()
            found |= _jobs(path / JOBS, notes)
        names.sort()
    return found


def _jobs(folder: Path, notes: list[str]) -> dict[Path, list[str] | None]:
    """Return the complete jobs of a sweep, and their words in it: another may have run them."""
    found: dict[Path, list[str] | None] = {}
    for file in sorted(folder.glob("*.json")):
        note = read_json(file)
        known = isinstance(note, dict) and isinstance(note.get("overrides"), list)
        if not known or not isinstance(note.get("failed", note.get("folder")), str):
            raise FaceGeomError(f"{file} is not the note of a job. Copy it again, or delete it.")
        if "failed" in note:
            why = " ".join(note["failed"].split())
            notes.append(f"failed: {' '.join(note['overrides'])}: {why}")
        else:
            found[Path(note["folder"])] = note["overrides"]
    return found


def _read(folder: Path, notes: list[str]) -> Record | None:
    """Return a run's record; None, with a note, where there is none to use."""
    path = folder / RUN_FILE
    record = read_json(path) if path.is_file() else {}
    if not isinstance(record, dict):
        raise FaceGeomError(f"{path} is not the record of a run. Copy it again, or delete it.")
    if record.get("status") != COMPLETE:
        notes.append(f"incomplete, left out: {folder} (run its command again)")
        return None
    for key, kind in _NEEDED.items():
        if not isinstance(record.get(key), kind) or not _sound(key, record[key]):
            raise FaceGeomError(
                f"{path}: {key} is missing, of another kind, or holds what is no finite number. It "
                "is the record of another version or of another job, or damaged; run its command "
                "again with rerun=true."
            )
    if not record["identity_differences"]:
        notes.append(f"without a baseline, left out: {folder} (evaluation.baseline=true makes one)")
        return None
    return record


def _sound(key: str, value: Any) -> bool:
    """Whether a part of a record holds what is read of it."""
    if key == "overrides":
        return all(isinstance(word, str) for word in value)
    if key == "differences":
        ends = ("difference", "low", "high")
        return all(
            isinstance(entry, dict)
            and all(_is_number(entry.get(end), or_none=True) for end in ends)
            for entry in value.values()
        )
    if key == "identity_differences":
        tables = [table for tables in value.values() for table in tables.values()]
        return all(_is_number(found) for table in tables for found in table.values())
    return True


def _is_number(value: Any, *, or_none: bool = False) -> bool:
    if value is None:
        return or_none
    return isinstance(value, int | float) and math.isfinite(value)


def _arm_names(records: Sequence[Record]) -> list[str]:
    """Name each run's arm: its objective, and what else differs but attribute and seed.

    In the words of its command line, so that a reader can run it again.
    """
    kept = [
        [
            word
            for word in record["overrides"]
            if word.lstrip("+~").partition("=")[0].split(".")[0] not in (*PLACES, *OF_EACH)
        ]
        for record in records
    ]
    shared = set.intersection(*map(set, kept))
    names = []
    for record, words in zip(records, kept, strict=True):
        chosen = [w.partition("=")[2] for w in words if w.startswith("objective=")]
        name = chosen[-1] if chosen else record["objective"].lower()
        others = [w for w in words if w.startswith("objective.") or w not in shared]
        others = [w for w in others if not w.startswith("objective=")]
        names.append(", ".join([name, *(w.removeprefix("objective.") for w in others)]))
    return names
