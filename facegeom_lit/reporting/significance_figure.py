"""Which pairs of models differ: a matrix of stars for each attribute."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from facegeom_lit.geometry.statistics import stars
from facegeom_lit.reporting.energy_violins import STARS, Marks, p_of
from facegeom_lit.reporting.style import figure, footnote, headline, panels, words, wrapped

_SHADES = ("#f3f4f5", "#c6d9e6", "#7fb0d0", "#2a6f97")
"""No star, one, two, three."""


def significance_figure(
    path: str | Path,
    models: Sequence[str],
    attributes: Sequence[str],
    marks: Marks,
    *,
    title: str = "",
) -> None:
    """Draw stars for each pair of models, a panel for each attribute.

    Args:
        path: PNG to write.
        models: Names of rows and columns.
        attributes: A panel each.
        marks: p of each pair that was tested, corrected for the number of tests.
        title: Of the figure.
    """
    columns = min(4, len(attributes))
    rows = -(-len(attributes) // columns)
    side = 0.26 * len(models)
    with figure(path, (side + 0.35) * columns + 2.4, (side + 0.45) * rows + 2.6) as drawn:
        axes = panels(drawn, len(attributes), columns)
        for axis, attribute in zip(axes, attributes, strict=True):
            _matrix(axis, models, attribute, marks)
            left, lowest = axis in axes[::columns], axis in axes[-columns:]
            names = [wrapped(name, 28) if left else "" for name in models]
            axis.set_yticks(range(1, len(names)), names[1:], fontsize=7)
            names = [wrapped(name, 28) if lowest else "" for name in models]
            axis.set_xticks(range(len(names) - 1), names[:-1], fontsize=7, rotation=90)
            axis.set_title(wrapped(words(attribute), 24), fontsize=8)
        headline(drawn, title)
        footnote(drawn, STARS, "–: not tested, for want of values.")


def _matrix(axis: Axes, models: Sequence[str], attribute: str, marks: Marks) -> None:
    """Fill the cells below the diagonal."""
    axis.grid(False)
    for column, row in combinations(range(len(models)), 2):
        p = p_of(marks, attribute, models[row], models[column])
        text = "–" if p is None else stars(p)
        shade = _SHADES[0 if p is None else len(text)]
        axis.add_patch(_cell(column, row, shade))
        color = "w" if text == "***" else "k"
        axis.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    axis.set(xlim=(-0.5, len(models) - 1.5), ylim=(len(models) - 0.5, 0.5), aspect="equal")
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _cell(column: int, row: int, shade: str) -> Rectangle:
    return Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=shade, lw=0)
