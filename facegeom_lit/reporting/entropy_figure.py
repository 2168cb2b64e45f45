"""KS statistic of attributes against their entropy, and its rank correlation by model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import RendererAgg
from numpy.typing import NDArray

from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.point_labels import label_points, settle
from facegeom_lit.reporting.style import (
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

Value = float | None
MOST_NAMES = 12
"""Attributes of which every one is named."""
NAMED = 8
"""How many of more are named in a panel: those furthest from the trend and from the middle."""


@dataclass(frozen=True)
class EntropyScatter:
    """One model's attributes.

    Attributes:
        ks: Attribute → KS statistic in [0, 1]; None where undefined.
        entropy: Attribute → entropy in nats; None where undefined.
        rho: Their Spearman correlation over attributes, with its interval.
    """

    ks: Mapping[str, Value]
    entropy: Mapping[str, Value]
    rho: Interval


def entropy_figure(
    path: str | Path,
    models: Mapping[str, EntropyScatter],
    *,
    entropy: str = "intra-entropy",
    title: str = "",
    published: str = "",
    level: float = 0.95,
) -> None:
    """Draw KS against entropy, a point for each attribute, a panel for each model.

    Args:
        path: PNG to write.
        models: Model's name → its attributes.
        entropy: What the horizontal axis is, without its unit.
        title: Of the figure.
        published: What was found elsewhere, in words; stands below the drawing.
        level: Coverage of the intervals of rho.
    """
    colors = model_colors(models)
    columns = 3 if len(models) > 4 else 2
    count = min(columns, len(models))
    rows = -(-len(models) // columns)
    side = 5.6 if len(models) == 1 else 4.6 if columns == 2 else 3.9
    missing: dict[str, None] = {}
    with figure(path, side * count + 0.2, 0.76 * side * rows + 0.7) as drawn:
        axes = panels(drawn, len(models), columns, sharex=True)
        points = {}
        for axis, (model, found) in zip(axes, models.items(), strict=True):
            points[model], absent = _points(found)
            missing |= dict.fromkeys(absent)
            at = np.array(list(points[model].values())).reshape(-1, 2)
            axis.plot(*at.T, "o", color=colors[model], ms=4, alpha=0.75, mec="white", mew=0.5)
            name = wrapped(model, int(11 * side)) + "\n" if len(models) > 1 else ""
            axis.set_title(name + rho_text(found.rho), fontsize=8.5)
            axis.margins(0.1)
            if len(at) < 2:  # nothing to choose limits by
                axis.set(xlim=(0, 0.75), ylim=(0, 1))
        for axis in axes[-count:]:
            axis.set_xlabel(f"{entropy} (nats)")
        for axis in axes[::columns]:
            axis.set_ylabel("KS statistic")
        headline(drawn, title)
        unknown = ", ".join(map(words, missing))
        footnote(
            drawn,
            published,
            f"Brackets: {percent(level)} intervals over attributes."
            if any(found.rho.low is not None for found in models.values())
            else "",
            f"Not drawn, for want of a value in some model: {unknown}." if missing else "",
            f"Named: the {NAMED} attributes furthest from the line of best fit and from the middle."
            if any(len(found) > MOST_NAMES for found in points.values())
            else "",
        )
        renderer = settle(drawn)
        for axis, found_points in zip(axes, points.values(), strict=True):
            _name(renderer, axis, found_points)


def rho_text(rho: Interval) -> str:
    """Return Spearman's rho with its interval, as a title."""
    if rho.value is None:
        return "Spearman ρ undefined"
    interval = "" if rho.low is None else f" [{rho.low:.2f}, {rho.high:.2f}]"
    return f"Spearman ρ = {rho.value:.2f}{interval}".replace("-", "−")


def _points(found: EntropyScatter) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Return (entropy, KS) of each attribute that has both, and the names of the others."""
    points, absent = {}, []
    for name, ks in found.ks.items():
        entropy = found.entropy.get(name)
        if ks is None or entropy is None or not np.isfinite([ks, entropy]).all():
            absent.append(name)
        else:
            points[name] = (entropy, ks)
    return points, absent


def _name(renderer: RendererAgg, axis: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Name every attribute of few, the outliers of many."""
    if not points:
        axis.text(
            0.5, 0.5, "no attribute has both", transform=axis.transAxes, ha="center", color=QUIET
        )
        return
    at = np.array(list(points.values()))
    names = [wrapped(words(name), 24) for name in points]
    if len(names) > MOST_NAMES:
        shown = set(np.argsort(-outlyingness(at), kind="stable")[:NAMED].tolist())
        names = [name if index in shown else "" for index, name in enumerate(names)]
    label_points(renderer, axis, at, names, color=QUIET, size=6.5)


def outlyingness(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each point lies from the fitted line and from the middle, both in its spread.

    Args:
        points: x and y, shape (P, 2).

    Returns:
        Shape (P,); larger is further out.
    """
    spread = points.std(axis=0)
    x, y = ((points - points.mean(axis=0)) / np.where(spread > 0, spread, 1)).T
    residual = y - (x * y).mean() * x
    return np.hypot(x, y) * 0.5 + np.abs(residual)
