"""What a run shows of its alignment with other models: a heat map, rank and anchors curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from facegeom_lit.evaluation.alignment.result import Ladder
from facegeom_lit.reporting.alignment_ladders import AXES
from facegeom_lit.reporting.heat_map import heat_map
from facegeom_lit.reporting.style import (
    figure,
    footnote,
    headline,
    legend_beside,
    model_colors,
)
from facegeom_lit.reporting.tables import or_nan

Rows = Mapping[tuple[str, str], Mapping[str, float | None]]
"""(Model of the probes, model of the gallery) → map → rank-1 in [0, 1]; None where undefined."""


def alignment_figure(path: str | Path, models: Mapping[str, Rows]) -> None:
    """Draw rank-1 by pair of models and map, a panel for each measurement on one scale.

    Args:
        path: PNG to write.
        models: Name of the measurement (before, after) → what it found.
    """
    rows = list(next(iter(models.values())))
    labels = [f"{probes} → {gallery}" for probes, gallery in rows]
    columns = list(next(iter(next(iter(models.values())).values())))
    width = 0.8 * len(columns) * len(models) + 3.2
    with figure(path, width, 0.42 * len(rows) + 1.9) as drawn:
        grid = drawn.subplots(1, len(models), squeeze=False, sharey=True)[0]
        for axis, (model, found) in zip(grid, models.items(), strict=True):
            values = np.array([[or_nan(found[row].get(name)) for name in columns] for row in rows])
            heat_map(axis, values, labels, columns, size=8, upright=False)
            axis.axvline(0.5, color="white", lw=3)  # native is no map
            for row in range(2, len(rows), 2):
                axis.axhline(row - 0.5, color="white", lw=3)
            axis.set_title(model)
        grid[0].set_ylabel("probes → gallery")
        headline(drawn, "Rank-1 on people whom no map was fitted on")
        footnote(
            drawn,
            "native: the gallery's own model gives the probes too; none: the other model gives "
            "them, unmapped; then mapped. tuned: the model of this run, which started as original.",
        )


def curves_figure(path: str | Path, models: Mapping[str, Sequence[Ladder]], kind: str) -> None:
    """Draw rank-1 against the rank or the paired images of a map, a panel for each pair of models.

    Args:
        path: PNG to write.
        models: Name of the measurement (before, after) → its curves.
        kind: `rank` or `anchors`.
    """
    curves: dict[tuple[str, str], dict[str, Ladder]] = {}
    for model, ladders in models.items():
        for ladder in ladders:
            if ladder.kind == kind:
                curves.setdefault((ladder.source, ladder.target), {})[model] = ladder
    colors = model_colors(models)
    rows = -(-len(curves) // 2)
    with figure(path, 7.6, 2.3 * rows + 1.1) as drawn:
        grid = drawn.subplots(rows, 2, squeeze=False, sharex=True, sharey=True)
        for axis, ((source, target), found) in zip(grid.ravel(), curves.items(), strict=True):
            for index, (model, ladder) in enumerate(found.items()):
                _draw(axis, ladder, colors[model], index)
            axis.set_title(f"{source} → {target}")
            axis.set_xscale("log", base=2)
            axis.xaxis.set_major_formatter("{x:.0f}")
            axis.set_ylim(-0.03, 1.03)
        for axis in grid[:, 0]:
            axis.set_ylabel("rank-1")
        for axis in grid[-1]:
            axis.set_xlabel(AXES[kind])
        method = next(iter(next(iter(curves.values())).values())).map.replace("_", "-")
        headline(drawn, f"Probes → gallery, mapped by {method}")
        legend_beside(drawn, colors)
        footnote(
            drawn,
            "Line: rank-1 of people whom no map was fitted on; band: 95 % bootstrap over people. "
            "Dashed: the gallery's own probes. Dotted: unmapped probes.",
        )


def _draw(axis: Axes, ladder: Ladder, color: str, index: int) -> None:
    """Draw one curve between its two ends, whose dashes leave room for another's at one height."""
    ends = [(figure.low, figure.high) for figure in ladder.figures]
    low, high = ([or_nan(value) for value in side] for side in zip(*ends, strict=True))
    axis.fill_between(ladder.steps, low, high, color=color, alpha=0.15, lw=0)
    values = [or_nan(figure.value) for figure in ladder.figures]
    axis.plot(ladder.steps, values, color=color, lw=1.5, marker=".", ms=5)
    axis.axhline(ladder.native, color=color, lw=1, ls=(6 * index, (6, 6)))
    axis.axhline(ladder.unaligned, color=color, lw=1, ls=(2 * index, (1, 3)))
