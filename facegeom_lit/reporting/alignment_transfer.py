"""Do maps that were fitted on one set serve on another?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facegeom_lit.evaluation.alignment.result import NATIVE, RECOVERED, UNALIGNED, Alignment
from facegeom_lit.reporting.alignment_summary import (
    RANK1,
    figure,
    known,
    map_name,
    maps_of,
    mean,
)
from facegeom_lit.reporting.heat_map import heat_map, map_size, outline
from facegeom_lit.reporting.style import figure as page
from facegeom_lit.reporting.style import footnote, headline
from facegeom_lit.reporting.tables import or_nan

KINDS = {RANK1: "rank-1", RECOVERED: "recovered"}


@dataclass(frozen=True)
class Transfer:
    """A map fitted on one set and judged on another, over all pairs of models.

    Attributes:
        map: How probes were mapped.
        fitted_on: Set of the fit; empty for `none` and `native`, which need none.
        judged_on: Set that judges; where it is `fitted_on`, other people of it.
        pairs: How many pairs of models (of `native`, models).
        rank1: Mean rank-1.
        recovered: Mean of (aligned − unaligned) / (native − unaligned).
    """

    map: str
    fitted_on: str
    judged_on: str
    pairs: int
    rank1: float | None
    recovered: float | None


def transfers(alignment: Alignment) -> list[Transfer]:
    """Return the mean over pairs of models for each map, set of the fit and judging set."""
    groups: dict[tuple[str, str, str], list[tuple[float | None, float | None]]] = {}
    for cell in alignment.cells:
        fitted_on = "" if cell.map in (UNALIGNED, NATIVE) else cell.fitted_on
        values = figure(cell, RANK1), figure(cell, RECOVERED)
        groups.setdefault((cell.map, fitted_on, cell.judged_on), []).append(values)
    return [
        Transfer(*key, len(values), *(mean(known(column)) for column in zip(*values, strict=True)))
        for key, values in groups.items()
    ]


def transfer_maps(alignment: Alignment) -> list[str]:
    """Return the maps that were judged on another set than they were fitted on."""
    crossed = [cell for cell in alignment.cells if cell.fitted_on != cell.judged_on]
    return [name for name in maps_of(crossed) if name != UNALIGNED]


def transfer_figure(path: str | Path, rows: Sequence[Transfer], name: str) -> None:
    """Draw rank-1 and recovered of one map: a row for each set of the fit, a column for a judge.

    Args:
        path: PNG to write.
        rows: Of `transfers`.
        name: The map.
    """
    fitted = list(dict.fromkeys(row.fitted_on for row in rows if row.map == name))
    judged = list(dict.fromkeys(row.judged_on for row in rows))
    found = {(row.map, row.fitted_on, row.judged_on): row for row in rows}
    lines = [(UNALIGNED, ""), *((name, each) for each in fitted), (NATIVE, "")]
    width, height = map_size(len(lines), len(judged), 1.0, 0.55)
    with page(path, max(2 * width + 4.2, 7.2), height + 2.1) as drawn:
        axes = drawn.subplots(1, 2, sharey=True)
        own = [(row, judged.index(on)) for row, (_, on) in enumerate(lines) if on in judged]
        cells = [[found.get((*line, judge)) for judge in judged] for line in lines]
        labels = [f"fitted on {on}" if on else map_name(of) for of, on in lines]
        for axis, (kind, title) in zip(axes, KINDS.items(), strict=True):
            values = [[or_nan(None if c is None else getattr(c, kind)) for c in r] for r in cells]
            if kind == RECOVERED:
                values[0], values[-1] = [0.0] * len(judged), [1.0] * len(judged)
            notes = [["" if c is None else f"n = {c.pairs}" for c in row] for row in cells]
            heat_map(axis, np.array(values), labels, judged, notes=notes, upright=False)
            outline(axis, own)
            axis.set(title=title, xlabel="judged on")
        headline(drawn, f"{map_name(name)}: maps of one set on another")
        footnote(
            drawn,
            "Means over pairs of models; n: how many (of native: models).",
            "Outlined: on its own set a map is judged by people it was not fitted on.",
            "Recovered of unaligned and native: by definition.",
        )
