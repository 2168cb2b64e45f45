"""What a sweep ends with: the attribute × attribute table of what its runs changed."""

from __future__ import annotations

import atexit
import csv
import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from facegeom_lit.commands.run_name import SWEEP_VARIABLE
from facegeom_lit.files import atomic_path, read_json, write_json
from facegeom_lit.reporting.run_record import read_run
from facegeom_lit.reporting.sweep_matrix import Cells, sweep_cells, sweep_figure

MEASURES = ("energy", "response")


def sweep_folder(cfg: DictConfig) -> Path | None:
    """Return the folder of the sweep that this process works for, or None outside a sweep."""
    name = os.environ.get(SWEEP_VARIABLE)
    return Path(cfg.paths.output) / "sweeps" / name if name else None


def note_job(cfg: DictConfig, run_folder: Path) -> None:
    """Tell the sweep, where there is one, that a job is complete."""
    if folder := sweep_folder(cfg):
        write_json(folder / "jobs" / f"{run_folder.name}.json", {"folder": str(run_folder)})


class SweepSummary(Callback):
    """Hydra callback: names the sweep after what it sweeps, and summarises it at its end."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Name the sweep, which becomes the W&B group; the same command has the same name."""
        overrides = sorted(config.hydra.overrides.task)
        digest = hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:8]
        os.environ[SWEEP_VARIABLE] = f"sweep-{digest}"
        folder = sweep_folder(config)
        assert folder is not None
        shutil.rmtree(folder / "jobs", ignore_errors=True)
        # Hydra does not tell the end of a sweep in which a job failed.
        self._at_exit = atexit.register(self.on_multirun_end, config)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Print and write the summary of the jobs that are complete."""
        atexit.unregister(self._at_exit)
        folder = sweep_folder(config)
        assert folder is not None
        notes = sorted((folder / "jobs").glob("*.json"))
        records = [r for note in notes if (r := read_run(Path(read_json(note)["folder"])))]
        if records:
            summarise(records, folder)
            print(f"output: {folder.absolute()}")
        os.environ.pop(SWEEP_VARIABLE, None)


def summarise(records: list[dict[str, Any]], folder: Path) -> None:
    """Print the matrix of each measure; write CSV, figures and `result.json` to `folder`."""
    result: dict[str, Any] = {"runs": [record["name"] for record in records], "differences": {}}
    seeds = sorted({record["seed"] for record in records})
    for measure in MEASURES:
        cells = sweep_cells(records, measure)
        if not cells:
            continue
        title = (
            f"{measure}: after − before, seeds {seeds}; intervals: 95 % over identities, widened "
            "to the range of the seeds"
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
    if cell is None:
        return "–"
    return f"{cell.value:+.3f}{cell.star}\n[{cell.low:+.3f}, {cell.high:+.3f}]"


def _write_csv(path: Path, cells: Cells) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["fine_tuned_for", "measured", "difference", "low", "high", "identities"])
        for (tuned, measured), i in cells.items():
            writer.writerow([tuned, measured, i.value, i.low, i.high, i.identities])
