"""What a map keeps of the source's attribute geometry, and what it takes over of the target's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from facegeom_lit.evaluation.alignment.result import Survival
from facegeom_lit.reporting.alignment_similarity import rank_correlation
from facegeom_lit.reporting.alignment_summary import median
from facegeom_lit.reporting.point_labels import label_points, settle
from facegeom_lit.reporting.style import (
    QUIET,
    figure,
    footnote,
    headline,
    model_colors,
    words,
    wrapped,
)
from facegeom_lit.reporting.tables import number

SIDES = {"source_value": "source's own", "target_value": "target's own"}
FEW = 6
"""Pairs of models that colours tell apart."""
LABELLED = 12
"""Points of a panel that are named."""


def survival_figure(path: str | Path, rows: Sequence[Survival], title: str) -> None:
    """Draw values of mapped embeddings against the source's (left) and the target's (right).

    Args:
        path: PNG to write.
        rows: Of one set and one map. A measure is a row of panels; a dot is an attribute of a
            pair of models.
        title: Of the figure.
    """
    measures = list(dict.fromkeys(row.measure for row in rows))
    pairs = list(dict.fromkeys((row.source, row.target) for row in rows))
    few = len(pairs) <= FEW
    keys = [_key(pair, few) for pair in pairs]
    colors = model_colors(dict.fromkeys(keys))
    width = 7.4 + (2.4 if len(colors) > 1 else 0.0)
    with figure(path, width, 3.1 * len(measures) + 0.9) as drawn:
        axes = drawn.subplots(len(measures), 2, sharey="row", squeeze=False)
        lines = [Line2D([], [], color=c, marker="o", ls="", ms=5) for c in colors.values()]
        if len(colors) > 1:
            names = [wrapped(name, 26) for name in colors]
            drawn.legend(lines, names, loc="outside right upper", fontsize=7.5)
        headline(drawn, title)
        footnote(
            drawn,
            "Dots: attributes. Dotted: equal.",
            "Correlations over attributes: the median over pairs of models."
            if len(pairs) > 1
            else f"{pairs[0][0]} → {pairs[0][1]}.",
            "" if few else "Colours: model of the gallery.",
        )
        for row_of_axes, measure in zip(axes, measures, strict=True):
            of_measure = [row for row in rows if row.measure == measure]
            for axis, (side, name) in zip(row_of_axes, SIDES.items(), strict=True):
                points = [
                    (getattr(row, side), row.mapped_value, row)
                    for row in of_measure
                    if getattr(row, side) is not None and row.mapped_value is not None
                ]
                hues = [colors[_key((row.source, row.target), few)] for *_, row in points]
                places = [x for x, *_ in points], [y for _, y, _ in points]
                axis.scatter(*places, c=hues, s=20, alpha=0.8, edgecolors="white", linewidths=0.4)
                _diagonal(axis, *places)
                rho, r = correlations(of_measure, side)
                axis.set_title(f"ρ = {number(rho, 2)}, r = {number(r, 2)}", fontsize=8)
                axis.locator_params(axis="x", nbins=5)
                axis.set_xlabel(f"{words(measure)}, {name}")
            row_of_axes[0].set_ylabel("mapped")
        if len(pairs) == 1:
            _names(drawn, axes, rows, measures)


def _key(pair: tuple[str, str], few: bool) -> str:
    return f"{pair[0]} → {pair[1]}" if few else pair[1]


def _diagonal(axis: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    """Draw where both are equal, as far as both reach."""
    if not x:
        axis.text(0.5, 0.5, "–", transform=axis.transAxes, ha="center", color=QUIET)
        return
    ends = max(min(x), min(y)), min(max(x), max(y))
    if ends[0] < ends[1]:
        axis.plot(ends, ends, color=QUIET, lw=0.9, ls=":", zorder=0)


def correlations(rows: Sequence[Survival], side: str) -> tuple[float | None, float | None]:
    """Correlate mapped values with the source's or the target's over attributes.

    Args:
        rows: Of one measure.
        side: `source_value` or `target_value`.

    Returns:
        Spearman's ρ and Pearson's r, medians over pairs of models; None where attributes are fewer
        than four.
    """
    spearman, pearson = [], []
    for pair in dict.fromkeys((row.source, row.target) for row in rows):
        of_pair = [row for row in rows if (row.source, row.target) == pair]
        x, y = [getattr(row, side) for row in of_pair], [row.mapped_value for row in of_pair]
        rho = rank_correlation(x, y)
        if rho is not None:
            spearman.append(rho)
            known = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
            pearson.append(float(np.corrcoef(np.array(known).T)[0, 1]))
    return median(spearman), median(pearson)


def _names(drawn: object, axes: np.ndarray, rows: Sequence[Survival], measures: list[str]) -> None:
    """Name the attributes where they are few."""
    renderer = settle(drawn)  # type: ignore[arg-type]
    for row_of_axes, measure in zip(axes, measures, strict=True):
        for axis, side in zip(row_of_axes, SIDES, strict=True):
            points = [
                (getattr(row, side), row.mapped_value, words(row.attribute))
                for row in rows
                if row.measure == measure
                and getattr(row, side) is not None
                and row.mapped_value is not None
            ]
            if 0 < len(points) <= LABELLED:
                where = np.array([point[:2] for point in points])
                label_points(renderer, axis, where, [point[2] for point in points], color=QUIET)
