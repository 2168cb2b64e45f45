"""`facegeom report runs=...`: many finished runs as one report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig

from facegeom_lit.commands.check import INFINITE, Numbers, check_values
from facegeom_lit.commands.composition import check_output, compose_config, output_folder
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.reporting.study import make_study
from facegeom_lit.reporting.study_report import (
    RECORD,
    print_study,
    runs_digest,
    write_study,
)
from facegeom_lit.reporting.study_runs import read_runs

NUMBERS: Numbers = {"equal": (False, 0, INFINITE)}


def main(overrides: Sequence[str]) -> None:
    """Join finished runs: matrices, which objective moves its target most, tables and figures.

    Writes `report.md`, `report.json`, `tables/` and `figures/`, and prints the folder as its last
    line.

    Raises:
        FaceGeomError: When the configuration is wrong, a run is there twice, two runs cannot be
            compared, or something cannot be read or written. Nothing is written then.
    """
    cfg = compose_config("report", [_listed(override) for override in overrides])
    check_values(cfg, NUMBERS, ())
    check_output(cfg, RECORD, "report")
    named = None if cfg.augmentation is None else str(cfg.augmentation)
    study = make_study(read_runs(_sources(cfg)), named, float(cfg.equal))
    folder = output_folder(cfg, f"report-{runs_digest(study)}", RECORD, "report")
    write_study(folder, study)
    print_study(study)
    print(f"output: {folder}")


def _listed(override: str) -> str:
    """Write `runs=a,b` as Hydra's grammar has a list; elsewhere it would mean a sweep."""
    key, _, value = override.partition("=")
    if key != "runs" or "," not in value or value.startswith(("[", "'", '"')):
        return override
    return f"runs=[{value}]"


def _sources(cfg: DictConfig) -> list[str]:
    given: Any = cfg.runs
    sources = [given] if isinstance(given, str) else given
    listed = isinstance(sources, list | ListConfig) and len(sources) > 0
    if listed and all(one and isinstance(one, str) for one in sources):
        return list(sources)
    raise FaceGeomError(
        f"runs must name folders of finished runs, got {given!r}. Write runs=FOLDER."
    )
