"""One look for every figure, and one way to save it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from facegeom_lit.files import atomic_path

BEFORE = "#7a8793"
AFTER = "#c8553d"
ACCENT = "#2a6f97"

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "savefig.facecolor": "white",
}


@contextmanager
def figure(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of `width` × `height` inches; save it to `path` as PNG when done.

    No global state: figures of several runs in one process do not meet.
    """
    with mpl.rc_context(_STYLE):
        drawn = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(drawn)
        yield drawn
        with atomic_path(path) as temporary:
            drawn.savefig(temporary, dpi=130, format="png")


def words(name: str) -> str:
    """Return an attribute's name as people write it: `hair_color` → `hair color`."""
    return name.replace("_", " ")
