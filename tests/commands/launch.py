"""Run the real entry points in processes of their own, as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}


def command(*overrides: str) -> list[str]:
    """The command line of `train.py` with `overrides`."""
    return [sys.executable, str(ROOT / "train.py"), *overrides]


def train(*overrides: str, output: Path) -> subprocess.CompletedProcess[str]:
    """Run `train.py` to its end."""
    return subprocess.run(
        command(*overrides, f"paths.output={output}"),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def record(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read `run.json` of a finished run, from the folder that its last line names."""
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    last = finished.stdout.strip().splitlines()[-1]
    assert last.startswith("output: "), last
    return json.loads((Path(last.removeprefix("output: ")) / "run.json").read_text())
