"""The tables of an alignment: one list of rows for each, ready for any form of file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from facegeom_lit.evaluation.alignment.result import NATIVE, RECOVERED, UNALIGNED, Alignment
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.alignment_summary import RANK1, figure, summaries
from facegeom_lit.reporting.alignment_transfer import transfers
from facegeom_lit.reporting.analysis_frames import Frame, Row, columns_of


def alignment_frames(alignment: Alignment) -> dict[str, Frame]:
    """Return every table that has a row, by name.

    Args:
        alignment: What was measured.

    Returns:
        `summary` (a row for each set and map), `transfer`, `recovered` (a row for each fitted map
        with what it is compared with), `families`, `ladders`, `indices`, `leakage`, `survival`,
        `fusions`, `cells` (every map with all its figures) and `sets`.
    """
    made = {
        name: [{key: _python(value) for key, value in row.items()} for row in rows(alignment)]
        for name, rows in _TABLES.items()
    }
    return {name: columns_of(rows) for name, rows in made.items() if rows}


def _python(value: Any) -> Any:
    """Return a NumPy scalar as Python's own, which JSON has words for."""
    return value.item() if isinstance(value, np.generic) else value


def _summary(alignment: Alignment) -> Iterator[Row]:
    for row in summaries(alignment):
        yield asdict(row)


def _transfer(alignment: Alignment) -> Iterator[Row]:
    for row in transfers(alignment):
        yield {**asdict(row), "fitted_on": row.fitted_on or None}


def _recovered(alignment: Alignment) -> Iterator[Row]:
    native = {
        (cell.target, cell.judged_on): figure(cell, RANK1)
        for cell in alignment.cells
        if cell.map == NATIVE
    }
    unaligned = {
        (cell.source, cell.target, cell.judged_on): figure(cell, RANK1)
        for cell in alignment.cells
        if cell.map == UNALIGNED
    }
    for cell in alignment.cells:
        if cell.map not in (NATIVE, UNALIGNED):
            yield {
                "judged_on": cell.judged_on,
                "fitted_on": cell.fitted_on,
                "map": cell.map,
                "source": cell.source,
                "target": cell.target,
                **_ends(RECOVERED, cell.figures.get(RECOVERED)),
                "aligned": figure(cell, RANK1),
                "unaligned": unaligned.get((cell.source, cell.target, cell.judged_on)),
                "native": native.get((cell.target, cell.judged_on)),
                "null": cell.null,
            }


def _families(alignment: Alignment) -> Iterator[Row]:
    for found in alignment.families:
        for row, model in enumerate(found.models):
            known = np.isfinite(found.distance[row])
            others = [i for i in range(len(found.models)) if i != row and known[i]]
            nearest = min(others, key=lambda i: found.distance[row, i], default=None)
            yield {
                "set": found.set,
                "map": found.map,
                "model": model,
                "family": found.family[row],
                "nearest": None if nearest is None else found.models[nearest],
                "distance": None if nearest is None else found.distance[row, nearest],
            }


def _ladders(alignment: Alignment) -> Iterator[Row]:
    for ladder in alignment.ladders:
        for step, rank1 in zip(ladder.steps, ladder.figures, strict=True):
            yield {
                "set": ladder.set,
                "kind": ladder.kind,
                "map": ladder.map,
                "source": ladder.source,
                "target": ladder.target,
                "step": step,
                **_ends(RANK1, rank1),
                "people": rank1.count,
                "unaligned": ladder.unaligned,
                "native": ladder.native,
            }


def _indices(alignment: Alignment) -> Iterator[Row]:
    for index in alignment.indices:
        yield {
            "set": index.set,
            "index": index.name,
            "first": index.first,
            "second": index.second,
            **_ends("value", index.value),
            "null": index.null,
            "p": index.p,
        }


def _leakage(alignment: Alignment) -> Iterator[Row]:
    for found in alignment.leakage:
        row = {key: getattr(found, key) for key in ("set", "map", "source", "target", "attribute")}
        for name in ("source_native", "target_native", "mapped", "crossed"):
            row |= _ends(name, getattr(found, name))
        yield {**row, "chance": found.chance}


def _survival(alignment: Alignment) -> Iterator[Row]:
    for found in alignment.survival:
        yield asdict(found)


def _fusions(alignment: Alignment) -> Iterator[Row]:
    for fusion in alignment.fusions:
        for name, value in fusion.figures.items():
            best = fusion.best_figures.get(name)
            yield {
                "set": fusion.set,
                "method": fusion.method,
                "common": fusion.common or None,
                "models": ", ".join(fusion.models),
                "figure": name,
                **_ends("fusion", value),
                "best_model": fusion.best,
                "best": None if best is None else best.value,
                **_ends("difference", fusion.differences.get(name)),
                "people": value.count,
            }


def _cells(alignment: Alignment) -> Iterator[Row]:
    for cell in alignment.cells:
        row: Row = {
            "judged_on": cell.judged_on,
            "fitted_on": cell.fitted_on,
            "map": cell.map,
            "source": cell.source,
            "target": cell.target,
            "fitted": cell.fitted,
            "ridge": cell.ridge,
            "null": cell.null,
        }
        for name, value in cell.figures.items():
            row |= _ends(name, value)
        yield row


def _sets(alignment: Alignment) -> Iterator[Row]:
    for name, facts in alignment.sets.items():
        yield {"set": name, **facts}


def _ends(name: str, interval: Interval | None) -> Row:
    """Return a figure and the ends of its interval as three columns."""
    value, low, high = (
        (None, None, None) if interval is None else (interval.value, interval.low, interval.high)
    )
    return {name: value, f"{name}_low": low, f"{name}_high": high}


_TABLES: Mapping[str, Callable[[Alignment], Iterator[Row]]] = {
    "summary": _summary,
    "transfer": _transfer,
    "recovered": _recovered,
    "families": _families,
    "ladders": _ladders,
    "indices": _indices,
    "leakage": _leakage,
    "survival": _survival,
    "fusions": _fusions,
    "cells": _cells,
    "sets": _sets,
}
