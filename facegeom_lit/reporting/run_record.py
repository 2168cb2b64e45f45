"""`run.json`: what a run was made of and what it measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from facegeom_lit import __version__
from facegeom_lit.files import read_json, write_json
from facegeom_lit.geometry.statistics import Interval

RUN_FILE = "run.json"
COMPLETE = "complete"
PACKAGES = (
    "torch",
    "lightning",
    "torchmetrics",
    "hydra-core",
    "numpy",
    "scipy",
    "pyarrow",
    "albumentations",
    "wandb",
)


def versions() -> dict[str, str]:
    """Return the versions of this package, of what it stands on, and the machine's kind."""
    found = {"facegeom_lit": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found | {"machine": f"{platform.system()} {platform.machine()}"}


def interval_json(interval: Interval) -> dict[str, float | None]:
    """Return a difference and its 95 % interval as JSON; null where it is undefined."""
    return {"difference": interval.value, "low": interval.low, "high": interval.high}


def write_run(folder: Path, record: Mapping[str, Any]) -> Path:
    """Write the record of a complete run and return its path."""
    path = folder / RUN_FILE
    write_json(path, {"status": COMPLETE, **record})
    return path


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return the record of the complete run in `folder`, or None."""
    path = folder / RUN_FILE
    if not path.is_file():
        return None
    record = read_json(path)
    return record if record.get("status") == COMPLETE else None
