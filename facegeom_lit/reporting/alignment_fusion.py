"""Several models as one, against the best single one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from facegeom_lit.evaluation.alignment.result import Fusion
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.alignment_summary import RANK1
from facegeom_lit.reporting.evaluation_tables import hardest, label
from facegeom_lit.reporting.style import (
    ACCENT,
    QUIET,
    figure,
    footnote,
    headline,
    percent,
    words,
    wrapped,
)

MOST = 3
"""Figures that have a panel."""
FEW = 3
"""Models that are named one by one."""


def fusion_figure(path: str | Path, fusions: Sequence[Fusion], title: str, level: float) -> None:
    """Draw each fusion and the best single model with their intervals, a panel for each figure.

    Args:
        path: PNG to write.
        fusions: Of one set.
        title: Of the figure.
        level: Coverage of the intervals over people.
    """
    names = shown_figures(fusions)
    one_best = len({fusion.best for fusion in fusions}) == 1
    labels = [_name(fusion, one_best) for fusion in fusions]
    lines = max(text.count("\n") for text in labels) + 1
    with figure(path, 3.0 * len(names) + 4.6, (0.2 + 0.14 * lines) * len(fusions) + 2.0) as drawn:
        axes = drawn.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axis, name in zip(axes, names, strict=True):
            for row, fusion in enumerate(fusions):
                _dot(axis, row - 0.14, fusion.figures.get(name), ACCENT, "o")
                _dot(axis, row + 0.14, fusion.best_figures.get(name), QUIET, "s")
                change = fusion.differences.get(name)
                if change is not None and change.value is not None:
                    across = axis.get_yaxis_transform()
                    place = {"transform": across, "va": "center", "ha": "left", "fontsize": 7}
                    axis.text(1.02, row, f"{change.value:+.3f}{star(change)}", **place)
            axis.locator_params(axis="x", nbins=5)
            axis.set_xlabel(label(name))
            axis.grid(False, axis="y")
        axes[0].set_yticks(range(len(fusions)), labels, fontsize=8)
        axes[0].set_ylim(len(fusions) - 0.5, -0.5)
        marks = [
            Line2D([], [], color=ACCENT, marker="o", lw=2),
            Line2D([], [], color=QUIET, marker="s", lw=2),
        ]
        best = ", ".join(dict.fromkeys(fusion.best for fusion in fusions))
        texts = ["fusion", wrapped(f"best single model: {best}", 26)]
        drawn.legend(marks, texts, loc="outside right upper", fontsize=8)
        headline(drawn, title)
        footnote(
            drawn,
            f"Bars: {percent(level)} intervals over people. Numbers: fusion − best single model, "
            "paired over people; * its interval leaves out zero.",
            "Features: mapped into the best one's space, unless said otherwise.",
        )


def shown_figures(fusions: Sequence[Fusion]) -> list[str]:
    """Return the figures that every fusion has, the telling ones: rank-1, TPIR, TAR."""
    everywhere = [
        name
        for name in fusions[0].figures
        if all(name in f.figures and f.figures[name].value is not None for f in fusions)
    ]
    telling = (RANK1, hardest(everywhere, "tpir"), hardest(everywhere, "tar"))
    wanted = [name for name in telling if name in everywhere]
    return (wanted or list(fusions[0].figures))[:MOST]


def star(change: Interval) -> str:
    """Return a star where an interval leaves out zero.

    Example:
        >>> star(Interval(0.1, 0.05, 0.2, 9)), star(Interval(0.1, -0.1, 0.2, 9))
        ('*', '')
    """
    if change.low is None or change.high is None:
        return ""
    return "*" if change.low > 0 or change.high < 0 else ""


def _name(fusion: Fusion, one_best: bool) -> str:
    """Return what a fusion is called; where all have one best model, the legend names that."""
    best = "the best" if one_best else fusion.best
    elsewhere = fusion.common not in ("", fusion.best)
    where = f" in the space of {fusion.common}" if elsewhere else ""
    whom = f"{len(fusion.models)} models"
    if len(fusion.models) <= FEW:
        whom = " + ".join([best, *(name for name in fusion.models if name != fusion.best)])
    return wrapped(f"{words(fusion.method)} of {whom}{where}", 46)


def _dot(axis: Axes, row: float, found: Interval | None, color: str, mark: str) -> None:
    if found is None or found.value is None:
        across = axis.get_yaxis_transform()
        axis.text(0.02, row, "–", transform=across, va="center", color=color)
        return
    if found.low is not None and found.high is not None:
        axis.plot([found.low, found.high], [row, row], color=color, lw=2)
    axis.plot(found.value, row, mark, color=color, ms=5.5, mec="white")
