"""What a probe reads from templates: native ones, mapped ones, and across."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.lines import Line2D

from facegeom_lit.evaluation.alignment.result import Leakage
from facegeom_lit.reporting.alignment_summary import known, mean
from facegeom_lit.reporting.style import (
    ACCENT,
    AFTER,
    QUIET,
    figure,
    footnote,
    headline,
    percent,
    words,
    wrapped,
)

MARKS = {
    "source_native": ("source's own templates", QUIET, "s"),
    "target_native": ("target's own templates", "#d9a13b", "^"),
    "mapped": ("mapped", ACCENT, "o"),
    "crossed": ("trained on target's,\njudged on mapped", AFTER, "D"),
}
"""Kind of probe → its name, colour and mark."""


def leakage_figure(path: str | Path, rows: Sequence[Leakage], title: str, level: float) -> None:
    """Draw balanced accuracy, a row for each attribute, the best read from the source on top.

    Args:
        path: PNG to write.
        rows: Of one set and one map; over several pairs of models their mean is drawn.
        title: Of the figure.
        level: Coverage of the intervals.
    """
    pairs = len({(row.source, row.target) for row in rows})
    attributes = list(dict.fromkeys(row.attribute for row in rows))
    by_attribute = {name: [row for row in rows if row.attribute == name] for name in attributes}

    def own(name: str) -> float:
        value = mean(known(row.source_native.value for row in by_attribute[name]))
        return -1.0 if value is None else value

    attributes.sort(key=own, reverse=True)
    with figure(path, 9.6, 0.27 * len(attributes) + 2.0) as drawn:
        axis = drawn.subplots()
        for place, name in enumerate(attributes):
            found = by_attribute[name]
            for shift, (kind, (_, color, mark)) in zip(
                np.linspace(-0.24, 0.24, len(MARKS)), MARKS.items(), strict=True
            ):
                figures = [getattr(row, kind) for row in found]
                values = known(each.value for each in figures)
                if not values:
                    across = axis.get_yaxis_transform()
                    axis.text(0.01, place + shift, "–", transform=across, va="center", color=color)
                    continue
                ends = (min(values), max(values))
                if pairs == 1 and figures[0].low is not None and figures[0].high is not None:
                    ends = (figures[0].low, figures[0].high)
                axis.plot(ends, [place + shift] * 2, color=color, lw=1, alpha=0.7)
                axis.plot(
                    np.mean(values), place + shift, mark, color=color, ms=4.5, mec="white", mew=0.5
                )
            chance = mean(known(row.chance for row in found))
            if chance is not None:
                axis.plot([chance] * 2, [place - 0.4, place + 0.4], color="k", lw=1)
        axis.set_yticks(
            range(len(attributes)), [wrapped(words(name), 30) for name in attributes], fontsize=7.5
        )
        axis.set_ylim(len(attributes) - 0.4, -0.6)
        axis.set_xlabel("balanced accuracy")
        marks = [Line2D([], [], color=c, marker=m, ls="", ms=5) for _, c, m in MARKS.values()]
        names = [name for name, _, _ in MARKS.values()]
        chance_mark = Line2D([], [], color="k", marker="|", ls="", ms=8)
        drawn.legend(
            [*marks, chance_mark],
            [*names, "chance"],
            loc="outside right upper",
            fontsize=8,
        )
        headline(drawn, title)
        footnote(
            drawn,
            f"Bars: {percent(level)} intervals over people."
            if pairs == 1
            else f"Means over {pairs} pairs of models; bars: lowest to highest pair.",
        )
