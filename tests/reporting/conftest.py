from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that the test saves, in order, to be read."""
    saved: list[Figure] = []
    save = Figure.savefig

    def save_and_keep(page: Figure, *args: Any, **options: Any) -> None:
        save(page, *args, **options)
        saved.append(page)

    monkeypatch.setattr(Figure, "savefig", save_and_keep)
    return saved
