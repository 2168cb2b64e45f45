"""The folder that an evaluation of face models leaves, and its run in Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facegeom_lit.evaluation.result import Result
from facegeom_lit.files import atomic_folder, plain_name, write_json
from facegeom_lit.reporting.det_figure import det_figure
from facegeom_lit.reporting.evaluation_tables import (
    COLUMNS,
    by_set,
    rows,
    write_markdown,
    write_results,
)
from facegeom_lit.reporting.result_folder import wandb_run
from facegeom_lit.reporting.roc_bands_figure import roc_bands_figure
from facegeom_lit.reporting.score_figure import score_figure
from facegeom_lit.reporting.wandb_media import pictures

RECORD = "evaluation.json"


def write_report(
    folder: Path, results: Sequence[Result], record: Mapping[str, Any], level: float
) -> None:
    """Write the record, the tables and the figures, all of them or none.

    Args:
        folder: Where they shall stand.
        results: What was measured.
        record: What it was measured with.
        level: Coverage of the intervals.

    Raises:
        FaceGeomError: When they cannot be written.
    """
    with atomic_folder(folder) as temporary:
        write_json(temporary / RECORD, {"results": list(map(as_json, results)), **record})
        write_results(temporary / "evaluation.csv", results)
        write_markdown(temporary / "evaluation.md", results, level)
        for group in by_set(results):
            name = plain_name(group[0].set)
            curves = {result.model: result.curve for result in group}
            roc_bands_figure(temporary / f"roc-{name}.png", curves, group[0].set)
            det_figure(temporary / f"det-{name}.png", curves, group[0].set)
            score_figure(temporary / f"scores-{name}.png", curves, group[0].set)


def as_json(result: Result) -> dict[str, Any]:
    """Return a result as plain values, but for its curve."""
    return {
        "set": result.set,
        "model": result.model,
        "kind": result.kind,
        "figures": {name: _figure(asdict(figure)) for name, figure in result.figures.items()},
        "thresholds": result.thresholds,
        "facts": result.facts,
        "notes": list(result.notes),
    }


def _figure(interval: dict[str, Any]) -> dict[str, Any]:
    return {key: interval[key] for key in ("value", "low", "high")}


def log_wandb(
    folder: Path, results: Sequence[Result], record: Mapping[str, Any], mode: str, project: str
) -> None:
    """Log the table, the figures and the values as one run, kept beside `folder`.

    Args:
        folder: What `write_report` wrote.
        results: What was measured.
        record: What it was measured with.
        mode: `offline` or `online`.
        project: Of W&B.

    Raises:
        FaceGeomError: When the run cannot begin.
    """
    import wandb

    tags = {result.set for result in results}
    with wandb_run(folder, "evaluate", record, mode, project, tags) as run:
        media = pictures(folder)
        table = wandb.Table(columns=list(COLUMNS), data=rows(results))
        run.log({"evaluation": table, **media})
        run.summary.update(
            {
                f"{result.set}/{result.model}/{name}": figure.value
                for result in results
                for name, figure in result.figures.items()
                if figure.value is not None
            }
        )
