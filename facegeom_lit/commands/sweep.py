"""What a sweep ends with: the attribute × attribute table of what its runs changed."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from facegeom_lit.commands.run_name import SWEEP_VARIABLE
from facegeom_lit.files import atomic_path, read_json, write_json
from facegeom_lit.reporting.run_record import read_run
from facegeom_lit.reporting.sweep_matrix import Cells, sweep_cells, sweep_figure

MEASURES = ("energy", "response")


def note_job(run_folder: Path) -> None:
    """Tell the sweep, where there is one, that a job is complete, and which one it was."""
    if SWEEP_VARIABLE in os.environ:
        name = run_folder.name
        note = {"folder": str(run_folder), "overrides": list(HydraConfig.get().overrides.task)}
        write_json(Path(os.environ[SWEEP_VARIABLE]) / "jobs" / f"{name}.json", note)


def note_failure(message: str) -> None:
    """Tell the sweep that a job failed, and why."""
    hydra = HydraConfig.get()
    note = {"failed": message, "overrides": list(hydra.overrides.task)}
    write_json(Path(os.environ[SWEEP_VARIABLE]) / "jobs" / f"failed-{hydra.job.num}.json", note)


class SweepSummary(Callback):
    """Hydra callback: names the sweep after what it sweeps, and summarises it at its end."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Name the sweep, which becomes the W&B group; the same command has the same name."""
        overrides = sorted(config.hydra.overrides.task)
        digest = hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:8]
        folder = Path(config.paths.output).absolute() / "sweeps" / f"sweep-{digest}"
        os.environ[SWEEP_VARIABLE] = str(folder)
        shutil.rmtree(folder / "jobs", ignore_errors=True)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print and write the summary of the complete jobs; name the failed ones.

        Raises:
            SystemExit: With code 1 when a job failed.
        """
        folder = Path(os.environ.pop(SWEEP_VARIABLE))
        notes = [read_json(file) for file in sorted((folder / "jobs").glob("*.json"))]
        failed = [note for note in notes if "failed" in note]
        records = []
        for note in notes:
            if "failed" not in note and (record := read_run(Path(note["folder"]))):
                # A job that an earlier command had completed goes by this sweep's words.
                records.append(record | {"overrides": note["overrides"]})
        if records:
            summarise(records, folder)
        for note in failed:
            print(f"failed: {' '.join(note['overrides'])}\n  {note['failed']}", file=sys.stderr)
        if failed:
            print(f"{len(failed)} of {len(notes)} jobs failed.", file=sys.stderr)
        print(f"output: {folder}")
        if failed:
            raise SystemExit(1)


def summarise(records: list[dict[str, Any]], folder: Path) -> None:
    """Print the matrix of each measure; write CSV, figures and `result.json` to `folder`."""
    result: dict[str, Any] = {"runs": [record["name"] for record in records], "differences": {}}
    seeds = sorted({record["seed"] for record in records})
    for measure in MEASURES:
        cells = sweep_cells(records, measure)
        if not cells:
            continue
        title = (
            f"{measure}: after − before, seeds {seeds}\n95 % over identities, widened to the "
            "range of the seeds"
        )
        _print(cells, title)
        sweep_figure(folder / "figures" / f"{measure}.png", cells, title)
        _write_csv(folder / f"{measure}.csv", cells)
        result["differences"][measure] = {
            f"{tuned}/{measured}": {"difference": i.value, "low": i.low, "high": i.high}
            for (tuned, measured), i in cells.items()
        }
    write_json(folder / "result.json", result)


def _print(cells: Cells, title: str) -> None:
    columns = list(dict.fromkeys(measured for _, measured in cells))
    table = Table(title=title, caption="rows: fine-tuned for; columns: measured; * leaves out zero")
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for tuned in dict.fromkeys(tuned for tuned, _ in cells):
        table.add_row(tuned, *(_cell(cells, tuned, measured) for measured in columns))
    Console(width=max(120, 22 * len(columns)), highlight=False).print(table)


def _cell(cells: Cells, tuned: str, measured: str) -> str:
    cell = cells.get((tuned, measured))
    return "–" if cell is None else cell.text


def _write_csv(path: Path, cells: Cells) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["fine_tuned_for", "measured", "difference", "low", "high", "identities"])
        for (tuned, measured), i in cells.items():
            writer.writerow([tuned, measured, i.value, i.low, i.high, i.identities])
