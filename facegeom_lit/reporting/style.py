"""One look for every figure, and one way to save it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from facegeom_lit.files import atomic_path

BEFORE = "#7a8793"
AFTER = "#c8553d"
ACCENT = "#2a6f97"
DPI = 130
"""Pixels an inch."""
QUIET = "#5b6670"
"""Remarks and reference lines."""

_MODELS = (
    "#332288",
    "#cc6677",
    "#44aa99",
    "#999933",
    "#882255",
    "#66b5e0",
    "#117733",
    "#d9a13b",
    "#aa4499",
    "#7a8793",
)
"""Hues that colour-blind readers tell apart (after Paul Tol's muted scheme, his pale ones darkened
for thin lines), the most different ones first."""

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
        drawn = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(drawn)
        yield drawn
        with atomic_path(path) as temporary:
            drawn.savefig(temporary, format="png")


def words(name: str) -> str:
    """Return an attribute's name as people write it: `hair_color` → `hair color`."""
    return name.replace("_", " ")


def model_colors(names: Iterable[str]) -> dict[str, str]:
    """Give each model a colour, the same in every figure that names the same models.

    The models `before` and `after` of a run keep their own two. Beyond ten, colours come again.

    Example:
        >>> model_colors(["before", "after"])
        {'before': '#7a8793', 'after': '#c8553d'}
    """
    own = {"before": BEFORE, "after": AFTER}
    names = list(names)
    if own.keys() >= set(names):
        return {name: own[name] for name in names}
    return {name: _MODELS[index % len(_MODELS)] for index, name in enumerate(names)}


def wrapped(text: str, width: int) -> str:
    r"""Break a long name into lines, at a space, `_`, `-`, `.` or `/` where there is one.

    Nothing is left out, and no dollar sign starts a formula.

    Example:
        >>> wrapped("mobilefacenet_int8_casia", 20)
        'mobilefacenet_int8_\ncasia'
    """
    lines = [""]
    for piece in re.findall(r"[^\s_./-]+[\s_./-]*|[\s_./-]+", text):
        if lines[-1] and len((lines[-1] + piece).rstrip()) > width:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(line.rstrip() for line in lines).replace("$", r"\$")


def panels(drawn: Figure, count: int, columns: int, **shared: Any) -> list[Axes]:
    """Return `count` axes in rows of at most `columns`; what is left of the last row is empty.

    Args:
        drawn: The figure.
        count: How many.
        columns: At most so many side by side.
        shared: `sharex`, `sharey` and the like, for `Figure.subplots`.
    """
    columns = min(columns, count)
    grid = drawn.subplots(-(-count // columns), columns, squeeze=False, **shared).ravel()
    for axis in grid[count:]:
        axis.set_axis_off()
    for axis in grid[:count][-columns:]:  # the lowest of each column, shared axis or not
        axis.tick_params(labelbottom=True)
    return list(grid[:count])


def legend_beside(drawn: Figure, colors: Mapping[str, str]) -> None:
    """Name the models on the right of all panels; one alone needs no name."""
    if len(colors) > 1:
        lines = [Line2D([], [], color=color, lw=3) for color in colors.values()]
        names = [wrapped(name, 26) for name in colors]
        drawn.legend(lines, names, loc="outside right upper", fontsize=8)


def percent(level: float) -> str:
    """Return a coverage as text.

    Example:
        >>> percent(0.95)
        '95 %'
    """
    return f"{100 * level:.4g} %"


def headline(drawn: Figure, text: str) -> None:
    """Set the figure's title, broken into lines that the figure is wide enough for."""
    if text:
        drawn.suptitle(wrapped(text, int(11 * drawn.get_figwidth())), fontsize=10)


def footnote(drawn: Figure, *sentences: str) -> None:
    """Set remarks below the drawing; empty ones are left out."""
    text = " ".join(filter(None, sentences))
    if text:
        width = int(15 * drawn.get_figwidth())
        drawn.supxlabel(wrapped(text, width), x=0.01, ha="left", fontsize=7, color=QUIET)
