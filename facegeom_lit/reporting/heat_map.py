"""A matrix as colours with its values printed: the one heat map of every figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from facegeom_lit.reporting.style import figure, wrapped

ABSENT = "#ececec"
"""Of a cell without a value."""
WIDEST = 13.6
"""Inches that a page holds."""
NAMES = 2.1
"""Inches of the models' names beside and above a matrix."""


def heat_map(
    axis: Axes,
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    low: float = 0.0,
    high: float = 1.0,
    notes: Sequence[Sequence[str]] | None = None,
    colors: str = "YlGnBu",
    size: float = 7,
    upright: bool = True,
) -> None:
    """Draw a matrix; a value that is NaN shows as a dash on grey.

    Args:
        axis: Where it is drawn.
        values: Shape (R, C).
        rows: Names of the rows.
        columns: Names of the columns.
        low: Value of the lightest colour.
        high: Value of the darkest.
        notes: A second line of each cell, R rows of C texts; empty ones are left out.
        colors: Name of the colour map, from light to dark.
        size: Of the text, in points.
        upright: Whether names of columns stand upright.
    """
    axis.grid(False)
    shades = colormaps[colors].with_extremes(bad=ABSENT)
    scale = Normalize(low, high, clip=True)
    axis.imshow(np.ma.masked_invalid(values), norm=scale, cmap=shades, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = "–" if np.isnan(value) else f"{value + 0.0:.3f}"
        if notes is not None and notes[row][column]:
            text += "\n" + notes[row][column]
        dark = not np.isnan(value) and _brightness(shades(scale(value))) < 0.5
        written = axis.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=size,
            color="w" if dark else "k",
        )
        written.set_in_layout(False)  # it is inside; measuring thousands of texts takes seconds
    names = [wrapped(name, 24 if upright else 15) for name in columns]
    axis.set_xticks(range(len(columns)), names, rotation=90 if upright else 0, fontsize=size)
    axis.set_yticks(range(len(rows)), [wrapped(name, 28) for name in rows], fontsize=size)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


@contextmanager
def model_matrices(
    path: str | Path, models: int, count: int, sides: tuple[str, str] = ("", "")
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yield a page and its axes for `count` heat maps of models by models; save it when done.

    Their names stand on the left and above, once: the last row of panels may be shorter.

    Args:
        path: PNG to write.
        models: Rows and columns of each heat map.
        count: How many heat maps.
        sides: What rows and columns are, where they differ.
    """
    width, height = map_size(models, models)
    width = max(width, 2.4)
    columns = max(1, min(count, int((WIDEST - NAMES) / (width + 0.2))))
    if 1 < columns < count:  # 4 panels stand better as 2 × 2 than as 3 + 1
        columns = -(-count // -(-count // columns))
    lines = -(-count // columns)
    size = NAMES + columns * (width + 0.2), NAMES + lines * (max(height, 1.0) + 0.35) + 0.5
    with figure(path, max(size[0], 5.4), size[1]) as drawn:
        grid = drawn.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for axis in grid.ravel()[count:]:
            axis.set_axis_off()
        yield drawn, list(grid.ravel()[:count])
        for axis in grid.ravel()[:count]:
            axis.tick_params(labelbottom=False)
        for axis in grid[0]:
            axis.tick_params(labeltop=True)
            axis.xaxis.set_label_position("top")
            axis.set_xlabel(sides[1], fontsize=8)
        for axis in grid[:, 0]:
            axis.set_ylabel(sides[0], fontsize=8)


def outline(axis: Axes, cells: Sequence[tuple[int, int]]) -> None:
    """Draw a frame round cells, each a row and a column."""
    for row, column in cells:
        corner = column - 0.5, row - 0.5
        axis.add_patch(Rectangle(corner, 1, 1, fill=False, ec="k", lw=0.9))


def map_size(
    rows: int, columns: int, width: float = 0.39, height: float = 0.36
) -> tuple[float, float]:
    """Return the size of a heat map without its labels, in inches, from that of one cell.

    Example:
        >>> map_size(10, 10, 0.5, 0.25)
        (5.0, 2.5)
    """
    return columns * width, rows * height


def _brightness(color: tuple[float, float, float, float]) -> float:
    """Return how light a colour looks, 0 to 1 (Rec. 709 weights)."""
    return 0.2126 * color[0] + 0.7152 * color[1] + 0.0722 * color[2]
