"""Rank correlations of KS and entropy by model, beside published ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.style import (
    QUIET,
    figure,
    footnote,
    headline,
    model_colors,
    percent,
    wrapped,
)


def spearman_figure(
    path: str | Path,
    rhos: Mapping[str, Mapping[str, Interval]],
    published: Mapping[str, Mapping[str, float]] | None = None,
    *,
    title: str = "",
    level: float = 0.95,
) -> None:
    """Draw rho with its interval, a panel for each pair of measures, a row for each model.

    Args:
        path: PNG to write.
        rhos: What was correlated (`KS and intra-entropy`) → model's name → rho.
        published: What was correlated → name of a model elsewhere → rho.
        title: Of the figure.
        level: Coverage of the intervals over attributes.
    """
    published = published or {}
    models = list(dict.fromkeys(name for series in rhos.values() for name in series))
    others = list(dict.fromkeys(name for series in published.values() for name in series))
    colors = model_colors(models)
    count = len(models) + len(others)
    with figure(path, 3.1 * len(rhos) + 2.4, 0.27 * count + 1.5) as drawn:
        axes = np.atleast_1d(drawn.subplots(1, len(rhos), sharex=True, sharey=True))
        for axis, (measure, series) in zip(axes, rhos.items(), strict=True):
            for row, model in enumerate(models):
                _row(axis, row, series.get(model), colors[model])
            known = published.get(measure, {})
            for row, name in enumerate(others, len(models)):
                if name in known:
                    axis.plot(known[name], row, "D", color=QUIET, ms=4, mfc="white")
            axis.axvline(0, color=QUIET, lw=0.8)
            if others:
                axis.axhline(len(models) - 0.5, color=QUIET, lw=0.6, ls=":")
            axis.set_title(wrapped(measure, 36), fontsize=9)
            axis.set_xlabel("Spearman ρ over attributes")
        names = [wrapped(name, 34) for name in [*models, *others]]
        axes[0].set_yticks(range(count), names, fontsize=8)
        for label in axes[0].get_yticklabels()[len(models) :]:
            label.set_color(QUIET)
        axes[0].set_xlim(*_span(axes[0]))
        axes[0].set_ylim(count - 0.5, -0.5)
        headline(drawn, title)
        absent = any(s.get(m) is None or s[m].value is None for s in rhos.values() for m in models)
        footnote(
            drawn,
            f"Bars: {percent(level)} intervals over attributes.",
            "Diamonds: published for other models and images." if others else "",
            "–: undefined." if absent else "",
        )


def _row(axis: Axes, row: int, rho: Interval | None, color: str) -> None:
    if rho is None or rho.value is None:
        across = axis.get_yaxis_transform()
        axis.text(0.02, row, "–", transform=across, va="center", color=color, fontsize=11)
        return
    if rho.low is not None and rho.high is not None:
        axis.plot([rho.low, rho.high], [row, row], color=color, lw=2)
    axis.plot(rho.value, row, "o", color=color, ms=5, mec="white")


def _span(axis: Axes) -> tuple[float, float]:
    """Hold zero and every bar, within what a correlation can be."""
    low, high = axis.get_xlim()
    return max(min(low, -0.1), -1.05), min(max(high, 0.1), 1.05)
