"""Interaction matrices: do two attributes move a face in the same direction?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.reporting.style import (
    figure,
    footnote,
    headline,
    panels,
    percent,
    words,
    wrapped,
)

MOST_NUMBERS = 12
"""Attributes whose matrix has room for numbers."""

LEAST = 0.2
"""The colours reach at least so far from 1, lest chance look like a finding."""


class Interaction(NamedTuple):
    """Mean over identities of `1 − cos(v^a, v^b)`, in [0, 2]; NaN where undefined.

    Attributes:
        mean: Shape (A, A), symmetric.
        low: Lower end of the interval, shape (A, A); NaN where there is none.
        high: Upper end.
    """

    mean: Tensor
    low: Tensor
    high: Tensor


def interaction_figure(
    path: str | Path,
    attributes: Sequence[str],
    models: Mapping[str, Interaction],
    *,
    title: str = "",
    level: float = 0.95,
) -> None:
    """Draw a matrix for each model; below the diagonal, for the rest is the same.

    1 is white: the two attributes are independent. Below 1 (blue) they push a face the same way,
    above 1 (red) opposite ways. Bold: the interval leaves out 1.

    Args:
        path: PNG to write.
        attributes: Names of rows and columns, A of them, at least 2.
        models: Model's name → its matrix.
        title: Of the figure.
        level: Coverage of the intervals.

    Raises:
        FaceGeomError: When there is but one attribute, which interacts with none.
    """
    if len(attributes) < 2:
        raise FaceGeomError("An interaction matrix needs two attributes or more.")
    columns = 1 if len(models) == 1 else 2 if len(models) <= 4 else 3
    rows = -(-len(models) // columns)
    size = len(attributes)
    cell = 0.62 if columns == 1 else 0.5 if columns == 2 else 0.4
    side = min(max(cell * size + 1.5, 3.0 if columns > 1 else 3.6), 12 / columns)
    known = [_below(model.mean) for model in models.values()]
    found = [float(np.nanmax(np.abs(m - 1))) for m in known if not np.isnan(m).all()]
    limit = max([LEAST, *found])
    with figure(path, columns * side + 0.9, rows * side * 0.88 + 0.8) as drawn:
        axes = panels(drawn, len(models), columns)
        norm = TwoSlopeNorm(1, 1 - limit, 1 + limit)
        for axis, (name, model), below in zip(axes, models.items(), known, strict=True):
            axis.grid(False)
            shown = axis.imshow(below, cmap="RdBu_r", norm=norm, aspect="auto")
            if size <= MOST_NUMBERS:
                _numbers(axis, model, below, norm, columns)
            _names(axis, attributes, axis in axes[::columns], axis in axes[-columns:], columns)
            if len(models) > 1:
                axis.set_title(wrapped(name, int(11 * side)), fontsize=9)
        bar = drawn.colorbar(shown, ax=axes, shrink=0.7, aspect=30, pad=0.02)
        bar.set_label("1 − cosine of the two displacements", fontsize=8)
        bar.ax.tick_params(labelsize=7)
        headline(drawn, title)
        bold = (
            f"Bold: the {percent(level)} interval over identities leaves out 1."
            if size <= MOST_NUMBERS
            else ""
        )
        absent = any(np.isnan(m[np.tril_indices(size, -1)]).any() for m in known)
        footnote(drawn, bold, "Empty or –: no node has both attributes." if absent else "")


def _below(matrix: Tensor) -> NDArray[np.float64]:
    """Return what lies below the diagonal; the rest is NaN, which is not drawn."""
    values = matrix.detach().double().cpu().numpy().copy()
    values[np.triu_indices(len(values))] = np.nan
    return values


def _numbers(
    axis: Axes, model: Interaction, below: NDArray[np.float64], norm: TwoSlopeNorm, columns: int
) -> None:
    for column, row in combinations(range(len(below)), 2):
        value = below[row, column]
        low, high = float(model.low[row, column]), float(model.high[row, column])
        axis.text(
            column,
            row,
            "–" if np.isnan(value) else f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=8 if columns < 3 else 6.5,
            fontweight="bold" if low > 1 or high < 1 else "normal",
            color="w" if abs(float(norm(value)) - 0.5) > 0.33 else "k",
        )


def _names(axis: Axes, attributes: Sequence[str], left: bool, bottom: bool, columns: int) -> None:
    """Name the rows of the panels on the left and the columns of the lowest."""
    size = len(attributes)
    few = size <= MOST_NUMBERS
    names = [wrapped(words(name), 24 if few else 60) for name in attributes]
    small = 8 if few else 6 if columns == 1 else 4.5
    none = [""] * (size - 1)
    axis.set_xticks(range(size - 1), names[:-1] if bottom else none, rotation=90, fontsize=small)
    axis.set_yticks(range(1, size), names[1:] if left else none, fontsize=small)
    axis.set(xlim=(-0.5, size - 1.5), ylim=(size - 0.5, 0.5))
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
