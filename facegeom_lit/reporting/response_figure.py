"""Energy against response: is a model invariant to an attribute, or chaotic in it?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.point_labels import Rectangle, label_points, settle
from facegeom_lit.reporting.style import (
    ACCENT,
    QUIET,
    figure,
    footnote,
    headline,
    model_colors,
    panels,
    percent,
    words,
    wrapped,
)

Point = tuple[Interval, Interval]
"""Mean energy, in [0, 2], and mean response, in units of the identity's spread, over identities."""

_CORNERS = (
    (0.02, 0.98, "invariance", "small steps, no common direction"),
    (0.98, 0.98, "chaos", "large steps, no common direction"),
    (0.98, 0.02, "coherent", "large steps, one direction"),
    (0.02, 0.02, "faint", "small steps, one direction"),
)
"""x and y in units of the axes, and what a point there says."""


def response_figure(
    path: str | Path,
    models: Mapping[str, Mapping[str, Point]],
    *,
    title: str = "",
    level: float = 0.95,
) -> None:
    """Draw each attribute as a point with both intervals, a panel for each model.

    Both axes begin at 0 and hold 1, so that a corner means the same in every figure: an energy of 1
    is no common direction, a response of 1 a step as long as the identity's own spread.

    Args:
        path: PNG to write.
        models: Model's name → attribute → energy and response.
        title: Of the figure.
        level: Coverage of the intervals.
    """
    found = {model: _known(points) for model, points in models.items()}
    colors = model_colors(models)
    columns = 3 if len(found) > 4 else 2
    count = min(columns, len(found))
    rows = -(-len(found) // columns)
    side = 5.6 if len(found) == 1 else 4.4 if columns == 2 else 3.9
    missing = dict.fromkeys(n for m, points in models.items() for n in points if n not in found[m])
    with figure(path, side * count + 0.2, 0.82 * side * rows + 0.6) as drawn:
        axes = panels(drawn, len(found), columns, sharex=True, sharey=True)
        for axis, (model, points) in zip(axes, found.items(), strict=True):
            for energy, response in points.values():
                _cross(axis, energy, response, colors[model])
            _corners(axis)
            axis.axhline(1, color=ACCENT, lw=0.9, ls="--", zorder=1)
            if len(found) > 1:
                axis.set_title(wrapped(model, int(11 * side)), fontsize=9)
        _limits(axes[0], found)
        for axis in axes[-count:]:
            axis.set_xlabel("response (1: the identity's spread)")
        for axis in axes[::columns]:
            axis.set_ylabel("energy (1: no common direction)")
        headline(drawn, title)
        unknown = ", ".join(map(words, missing))
        footnote(
            drawn,
            f"Bars: {percent(level)} intervals over identities.",
            f"Not drawn, for want of a value in some model: {unknown}." if missing else "",
        )
        renderer = settle(drawn)
        for axis, (model, points) in zip(axes, found.items(), strict=True):
            at = np.array([[r.value, e.value] for e, r in points.values()], float).reshape(-1, 2)
            names = [wrapped(words(name), 24) for name in points]
            bars = [bar for pair in points.values() for bar in _bars(*pair)]
            label_points(renderer, axis, at, names, obstacles=bars, color=colors[model])


def _known(points: Mapping[str, Point]) -> dict[str, Point]:
    """Return the attributes that have both values."""
    return {
        name: pair for name, pair in points.items() if None not in (pair[0].value, pair[1].value)
    }


def _cross(axis: Axes, energy: Interval, response: Interval, color: str) -> None:
    for x0, y0, x1, y1 in _bars(energy, response):
        axis.plot([x0, x1], [y0, y1], color=color, lw=1.5, alpha=0.6)
    at = response.value or 0.0, energy.value or 0.0
    axis.plot(*at, "o", color=color, ms=5, mec="white", zorder=3)


def _bars(energy: Interval, response: Interval) -> list[Rectangle]:
    """Return the bars of a point, from end to end."""
    x, y = response.value or 0.0, energy.value or 0.0
    bars = []
    if energy.low is not None and energy.high is not None:
        bars.append((x, energy.low, x, energy.high))
    if response.low is not None and response.high is not None:
        bars.append((response.low, y, response.high, y))
    return bars


def _corners(axis: Axes) -> None:
    """Write what each corner means."""
    for x, y, word, meaning in _CORNERS:
        axis.text(
            x,
            y,
            f"{word}\n{meaning}" if y > 0.5 else f"{meaning}\n{word}",
            transform=axis.transAxes,
            ha="left" if x < 0.5 else "right",
            va="top" if y > 0.5 else "bottom",
            fontsize=7,
            style="italic",
            color=QUIET,
        )


def _limits(axis: Axes, found: Mapping[str, Mapping[str, Point]]) -> None:
    """Begin at 0, hold 1 and every interval, and leave room for the words of the corners."""
    pairs = [pair for points in found.values() for pair in points.values()]
    ends = [[one.high or one.value or 0.0 for one in pair] for pair in pairs]
    top = max([1.0, *(energy for energy, _ in ends)])
    right = max([1.0, *(response for _, response in ends)])
    axis.set(xlim=(0, 1.05 * right), ylim=(0, 1.15 * top))
