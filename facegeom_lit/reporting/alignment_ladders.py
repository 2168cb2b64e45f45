"""How a map's rank-1 grows with its rank, or with the paired images of its fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator
from numpy.typing import NDArray

from facegeom_lit.evaluation.alignment.result import Ladder
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.alignment_summary import map_name
from facegeom_lit.reporting.style import (
    figure,
    footnote,
    headline,
    model_colors,
    panels,
    percent,
    wrapped,
)
from facegeom_lit.reporting.tables import or_nan

FEW = 6
"""Curves of a panel that are told apart, each with its band; of more, the mean."""
AXES = {"rank": "rank of the map", "anchors": "paired images of the fit"}


def ladder_figure(
    path: str | Path,
    ladders: Sequence[Ladder],
    models: Sequence[str],
    title: str,
    level: float,
) -> None:
    """Draw rank-1 against the steps, a panel for each map.

    Args:
        path: PNG to write.
        ladders: All of one kind and one set.
        models: All models, whose colours are the same in every figure.
        title: Of the figure.
        level: Coverage of the bands over people.
    """
    maps = {
        name: [each for each in ladders if each.map == name]
        for name in dict.fromkeys(each.map for each in ladders)
    }
    few = max(map(len, maps.values())) <= FEW
    colors = model_colors(dict.fromkeys(map(_pair, ladders)) if few else models)
    columns = min(len(maps), 2)
    lines = -(-len(maps) // columns)
    with figure(path, 4.9 * columns + 2.6, 3.7 * lines + 0.9) as drawn:
        axes = panels(drawn, len(maps), columns, sharey=True)
        for axis, (name, each) in zip(axes, maps.items(), strict=True):
            _panel(axis, each, colors, few)
            axis.set(title=map_name(name), xlabel=AXES[ladders[0].kind])
        for axis in axes[::columns]:
            axis.set_ylabel("rank-1")
        axes[0].set_ylim(-0.02, 1.02)
        _legend(drawn, colors, few)
        headline(drawn, title)
        undefined = any(step.value is None for each in ladders for step in each.figures)
        footnote(
            drawn,
            f"Bands: {percent(level)} intervals over people." if few else "",
            "Dashed: native. Dotted: unaligned."
            if few
            else "Dashed: native, dotted: unaligned, "
            "means. A thin line: one pair of two models, in the colour of the gallery's.",
            "Steps without a value (–) are left out." if undefined else "",
        )


def _panel(axis: Axes, ladders: Sequence[Ladder], colors: Mapping[str, str], few: bool) -> None:
    for ladder in ladders:
        color = colors[_pair(ladder) if few else ladder.target]
        values = _numbers(ladder.figures, "value")
        if few:
            axis.plot(ladder.steps, values, "o-", color=color, ms=3.5, lw=1.6)
            low, high = _numbers(ladder.figures, "low"), _numbers(ladder.figures, "high")
            axis.fill_between(ladder.steps, low, high, color=color, alpha=0.18, lw=0)
            axis.axhline(ladder.native, color=color, lw=0.9, ls="--")
            axis.axhline(ladder.unaligned, color=color, lw=0.9, ls=":")
        else:
            axis.plot(ladder.steps, values, color=color, lw=0.7, alpha=0.5)
    if not few:
        shared = sorted(set.intersection(*(set(ladder.steps) for ladder in ladders)))
        rows = [
            [_numbers(ladder.figures, "value")[ladder.steps.index(step)] for step in shared]
            for ladder in ladders
        ]
        axis.plot(shared, np.mean(rows, axis=0), "o-", color="k", ms=4, lw=2)
        axis.axhline(float(np.mean([each.native for each in ladders])), color="k", lw=1, ls="--")
        axis.axhline(float(np.mean([e.unaligned for e in ladders])), color="k", lw=1, ls=":")
    axis.set_xscale("log")
    steps = sorted({step for ladder in ladders for step in ladder.steps})
    axis.set_xticks(_apart(steps))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.xaxis.set_minor_locator(NullLocator())


def _legend(drawn: object, colors: Mapping[str, str], few: bool) -> None:
    lines = [Line2D([], [], color=color, lw=3) for color in colors.values()]
    names = [wrapped(name, 28) for name in colors]
    if not few:
        lines = [Line2D([], [], color="k", marker="o", lw=2), *lines]
        names = ["mean of all pairs", *names]
    drawn.legend(lines, names, loc="outside right upper", fontsize=7.5)  # type: ignore[attr-defined]


def _pair(ladder: Ladder) -> str:
    return f"{ladder.source} → {ladder.target}"


def _numbers(figures: Sequence[Interval], end: str) -> NDArray[np.float64]:
    """Return values or ends of intervals, NaN where undefined."""
    return np.array([or_nan(getattr(figure, end)) for figure in figures])


def _apart(steps: Sequence[int]) -> list[int]:
    """Return the steps whose labels do not touch on a log axis: a factor of 1.7 and more apart."""
    shown: list[int] = []
    for step in reversed(steps):
        if not shown or shown[-1] >= 1.7 * step:
            shown.append(step)
    return shown[::-1]
