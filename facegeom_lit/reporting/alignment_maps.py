"""Maps compared: what each gives over all pairs of models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facegeom_lit.evaluation.alignment.result import NATIVE, RECOVERED, UNALIGNED, Cell
from facegeom_lit.reporting.alignment_summary import (
    RANK1,
    known,
    map_name,
    maps_of,
    mean,
)
from facegeom_lit.reporting.alignment_summary import figure as figure_of
from facegeom_lit.reporting.style import (
    ACCENT,
    AFTER,
    QUIET,
    figure,
    footnote,
    headline,
    wrapped,
)

SPREAD = 0.26
"""Half the height over which the dots of a row are spread."""


def maps_figure(path: str | Path, cells: Sequence[Cell], title: str) -> None:
    """Draw a dot for each pair of models and a mark at the mean, a row for each map.

    Args:
        path: PNG to write.
        cells: Of one set.
        title: Of the figure.
    """
    maps = maps_of(cells)
    native = known(figure_of(cell, RANK1) for cell in cells if cell.map == NATIVE)
    kinds = [(RANK1, "rank-1"), (RECOVERED, "recovered")]
    if not any(figure_of(cell, RECOVERED) is not None for cell in cells):
        kinds = kinds[:1]
    with figure(path, 4.1 * len(kinds) + 1.4, 0.5 * len(maps) + 1.6) as drawn:
        axes = drawn.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        for axis, (kind, what) in zip(axes, kinds, strict=True):
            for row, name in enumerate(maps):
                of_map = [cell for cell in cells if cell.map == name]
                values = known(figure_of(cell, kind) for cell in of_map)
                if values:
                    spread = np.linspace(-1, 1, len(values)) if len(values) > 1 else np.zeros(1)
                    spread *= SPREAD * min(1.0, len(values) / 20)
                    place = row + np.random.default_rng(0).permutation(spread)
                    axis.plot(values, place, "o", color=ACCENT, ms=3, alpha=0.45, mew=0)
                    axis.plot(mean(values), row, "d", color="k", ms=7, mec="white")
                elif not (kind == RECOVERED and name == UNALIGNED):
                    across = axis.get_yaxis_transform()
                    axis.text(0.02, row, "–", transform=across, va="center", color=QUIET)
                null = mean(known(cell.null for cell in of_map))
                if kind == RANK1 and null is not None:
                    axis.plot([null, null], [row - 0.35, row + 0.35], color=AFTER, lw=2)
            axis.set_xlabel(what)
            axis.grid(False, axis="y")
        rank1 = axes[0]
        for value in native:
            rank1.axvline(value, color=QUIET, lw=0.5, alpha=0.6, ls="--")
        if native:
            rank1.axvline(float(np.mean(native)), color="k", lw=1.1, ls="--")
        rank1.set_xlim(-0.03, 1.03)
        rank1.set_yticks(range(len(maps)), [wrapped(map_name(name), 24) for name in maps])
        rank1.set_ylim(len(maps) - 0.5, -0.5)
        for axis in axes[1:]:
            axis.axvline(1, color="k", lw=1.1, ls="--")
            axis.axvline(0, color=QUIET, lw=0.9, ls=":")
        headline(drawn, title)
        footnote(
            drawn,
            "Dots: pairs of two models. Diamonds: their means. Dashed: native (black: mean).",
            "Red bars: maps whose pairs were permuted before the fit.",
            "Recovered: 0 unaligned, 1 native." if len(kinds) > 1 else "",
        )
