"""Run the real entry points as a user does."""

from __future__ import annotations

import io
import json
import os
import runpy
import subprocess
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

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


def refused(*overrides: str, output: Path) -> str:
    """Run `train.py` here, without a process of its own, and return what it says as it fails."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(said):
        patch.setattr(sys, "argv", ["train.py", *overrides, f"paths.output={output}"])
        code: object = 0
        try:
            runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
        except SystemExit as ended:
            code = ended.code
        finally:  # what Hydra keeps would be seen by the tests that follow
            GlobalHydra.instance().clear()
            HydraConfig.instance().cfg = None
    assert code != 0, f"train.py took {overrides}"
    return said.getvalue()


def record(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read `run.json` of a finished run, from the folder that its last line names."""
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    last = finished.stdout.strip().splitlines()[-1]
    assert last.startswith("output: "), last
    return json.loads((Path(last.removeprefix("output: ")) / "run.json").read_text())
