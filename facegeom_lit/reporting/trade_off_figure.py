"""The trade-off curve: what a goal gained against what is left of the old gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from facegeom_lit.reporting.point_labels import Rectangle, label_points, settle
from facegeom_lit.reporting.study_compatibility import Family, Standing, families, frontier
from facegeom_lit.reporting.style import (
    QUIET,
    figure,
    footnote,
    headline,
    legend_beside,
    model_colors,
    words,
    wrapped,
)

Panels = Mapping[tuple[str, str], Sequence[Standing]]
"""(figure of the old gallery, how that serves) → where every arm stands."""


def trade_off_figure(path: str | Path, panels: Panels, *, goal: str, intervals: str) -> None:
    """Draw a panel for each figure (rows) and way in which the old gallery serves (columns).

    Arms that differ in their weight alone are joined, by weight; a grey band leads through those
    that no other arm beats in both.

    Args:
        path: PNG to write.
        panels: The arms; at least one panel.
        goal: Name of the geometric measure.
        intervals: What the intervals are over.
    """
    rows = list(dict.fromkeys(row for row, _ in panels))
    columns = list(dict.fromkeys(column for _, column in panels))
    curves = {key: families(found) for key, found in panels.items()}
    names = list(dict.fromkeys(f.name for found in curves.values() for f in found))
    colors = model_colors(names)
    with figure(path, 3.7 * len(columns) + 0.6, 3.1 * len(rows) + 1.3) as drawn:
        axes = drawn.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey="row")
        for (row, column), found in panels.items():
            axis = axes[rows.index(row), columns.index(column)]
            _draw(axis, curves[row, column], frontier(found), colors)
        for row, line in zip(rows, axes, strict=True):
            line[0].set_ylabel(f"change of {_spelled(row)}")
        for column, axis in zip(columns, axes[0], strict=True):
            axis.set_title(wrapped(column, 40), fontsize=9)
        for axis in axes[-1]:
            axis.set_xlabel(f"change of the target's {words(goal)}")
        legend_beside(drawn, {words(name): color for name, color in colors.items()})
        headline(drawn, "What the goal gained, and what is left of the old gallery")
        footnote(
            drawn,
            "0 = as before the fine-tuning. Grey: arms that no other beats in both. Numbers: the "
            f"weight. Bars: {intervals}.",
        )
        renderer = settle(drawn)
        for (row, column), found in panels.items():
            axis = axes[rows.index(row), columns.index(column)]
            obstacles = [bar for one in found for bar in _bars(one)]
            written: set[str] = set()
            for family in curves[row, column]:
                marks = [
                    "" if one.arm in written else mark
                    for one, mark in zip(family.standings, family.weights, strict=True)
                ]
                written |= {one.arm for one in family.standings}
                places = np.array([_place(one) for one in family.standings])
                color = colors[family.name]
                label_points(
                    renderer, axis, places, marks, obstacles=obstacles, color=color, size=8
                )


def _draw(
    axis: Axes, curves: Sequence[Family], best: Sequence[Standing], colors: Mapping[str, str]
) -> None:
    axis.axhline(0, color=QUIET, lw=0.8, zorder=1)
    axis.axvline(0, color=QUIET, lw=0.8, zorder=1)
    axis.locator_params(axis="both", nbins=6)
    axis.margins(0.08)
    band = np.array([_place(one) for one in best])
    axis.plot(*band.T, "-", color="#d5d8da", lw=7, solid_capstyle="round", zorder=0.5)
    for family in curves:
        color = colors[family.name]
        places = np.array([_place(one) for one in family.standings])
        for left, low, right, high in (bar for one in family.standings for bar in _bars(one)):
            axis.plot([left, right], [low, high], color=color, lw=1, alpha=0.45)
        axis.plot(
            *places.T,
            "o-",
            color=color,
            lw=1.2,
            ms=6,
            mec="white",
            mew=0.8,
            zorder=4,
        )


def _spelled(name: str) -> str:
    """Return the name of a verification figure as people write it: `tar@1e-3`."""
    return name.replace("rank1", "rank-1").replace("tar@", "TAR at FAR ")


def _bars(one: Standing) -> list[Rectangle]:
    """Return both intervals; the place itself where there is none."""
    x, y = _place(one)
    goal, service = one.goal, one.service
    across = (x, x) if goal.low is None or goal.high is None else (goal.low, goal.high)
    up = (y, y) if service.low is None or service.high is None else (service.low, service.high)
    return [(across[0], y, across[1], y), (x, up[0], x, up[1])]


def _place(one: Standing) -> tuple[float, float]:
    return one.goal.value or 0.0, one.service.value or 0.0
