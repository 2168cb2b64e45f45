"""What `python train.py` trains: the choice `job` of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from omegaconf import DictConfig

from facegeom_lit.errors import FaceGeomError

JOBS = {
    "fine_tune": "facegeom_lit.commands.train",
    "prior": "facegeom_lit.commands.prior",
    "regressor": "facegeom_lit.commands.regressor",
}
"""Job → module with `run(cfg)`; imported when it is run, for diffusers takes its time."""


def run_job(cfg: DictConfig) -> float | None:
    """Run the job; the returned figure is what a sweep can optimise.

    Raises:
        FaceGeomError: When there is no such job.
    """
    if cfg.job not in JOBS:
        raise FaceGeomError(f"job must be one of {', '.join(JOBS)}, got {cfg.job!r}.")
    run: Callable[[DictConfig], float | None] = import_module(JOBS[cfg.job]).run
    return run(cfg)
