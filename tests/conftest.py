from __future__ import annotations

import os
from pathlib import Path

# One thread a process: spinning OpenMP threads on a busy machine cost more than they give.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent
torch.set_num_threads(1)


@pytest.fixture
def real_data() -> Path:
    """The folder of real faces and weights, named by FACEGEOM_REAL or standing beside us."""
    folder = Path(os.environ.get("FACEGEOM_REAL", ROOT.parent / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no real faces and weights at {folder}; set FACEGEOM_REAL to their folder")
    return folder
