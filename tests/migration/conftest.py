from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from migration import migration_cases as cases

from facegeom_lit.migration.migration_map import MigrationMap


@pytest.fixture(scope="session")
def migration() -> MigrationMap:
    """A map between two made-up models."""
    return cases.migration()


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """Templates of other people by the old model, as plain `.npy`."""
    path = tmp_path / "old.npy"
    np.save(path, cases.old_of(cases.faces(50, 4, seed=7)[0], 7).astype(np.float32))
    return path
