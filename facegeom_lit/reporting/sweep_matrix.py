"""A sweep's summary: what fine-tuning for one attribute does to every attribute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facegeom_lit.geometry.statistics import bootstrap_interval
from facegeom_lit.reporting.style import figure, words


@dataclass(frozen=True, slots=True)
class Cell:
    """A difference with its 95 % interval, over so many identities."""

    value: float
    low: float
    high: float
    identities: int

    @property
    def star(self) -> str:
        """A star where the interval leaves out zero."""
        return "*" if self.low > 0 or self.high < 0 else ""


Cells = dict[tuple[str, str], Cell]
"""(what was fine-tuned for, attribute measured) → difference."""


def row_labels(records: Sequence[dict[str, Any]]) -> list[str]:
    """Name what each run was: its attribute, and what else the sweep varied but the seed.

    Example:
        >>> runs = [("age", ["head=arcface", "seed=0"]), ("age", ["head=adaface", "seed=0"])]
        >>> row_labels([{"attribute": a, "overrides": o} for a, o in runs])
        ['age, head=arcface', 'age, head=adaface']
    """
    shared = set.intersection(*(set(record["overrides"]) for record in records))
    return [
        ", ".join(
            [record["attribute"]]
            + [
                override
                for override in record["overrides"]
                if override not in shared and override.split("=")[0] not in ("attribute", "seed")
            ]
        )
        for record in records
    ]


def sweep_cells(records: Sequence[dict[str, Any]], measure: str) -> Cells:
    """Join the runs of a sweep.

    The differences of every identity in every seed are averaged over seeds first and bootstrapped
    over identities, so that an interval speaks of people and not of repetitions. Where seeds
    disagree, their range widens the interval: the lowest and highest seed mean are always inside.

    Args:
        records: `run.json` of each run.
        measure: `energy` or `response`.
    """
    tables: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for label, record in zip(row_labels(records), records, strict=True):
        for measured, table in record["identity_differences"].get(measure, {}).items():
            tables[label, measured].append(table)
    cells = {}
    for key, seeds in tables.items():
        people = sorted(set.intersection(*(set(table) for table in seeds)))
        if len(people) < 2:
            continue
        values = torch.tensor(
            [[table[name] for name in people] for table in seeds], dtype=torch.float64
        )
        whole = bootstrap_interval(values.mean(0))
        if whole.value is None or whole.low is None or whole.high is None:
            continue
        means = values.mean(1).tolist()
        low, high = min(whole.low, *means), max(whole.high, *means)
        cells[key] = Cell(whole.value, low, high, len(people))
    return cells


def sweep_figure(path: str | Path, cells: Cells, title: str) -> None:
    """Draw the matrix: a row per attribute fine-tuned for, a column per attribute measured."""
    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = list(dict.fromkeys(column for _, column in cells))
    values = np.full((len(rows), len(columns)), np.nan)
    for (row, column), cell in cells.items():
        values[rows.index(row), columns.index(column)] = cell.value
    limit = float(np.nanmax(np.abs(values))) or 1.0
    with figure(path, 1.15 * len(columns) + 2.2, 0.62 * len(rows) + 1.6) as drawn:
        axis = drawn.subplots()
        axis.grid(False)
        image = axis.imshow(values, vmin=-limit, vmax=limit, cmap="RdBu_r", aspect="auto")
        for (row, column), cell in cells.items():
            axis.text(
                columns.index(column),
                rows.index(row),
                f"{cell.value:+.3f}{cell.star}\n[{cell.low:+.3f}, {cell.high:+.3f}]",
                ha="center",
                va="center",
                fontsize=7,
                color="w" if abs(cell.value) > 0.6 * limit else "k",
            )
        axis.set_xticks(range(len(columns)), [words(name) for name in columns], rotation=25)
        axis.set_yticks(range(len(rows)), [words(name) for name in rows])
        axis.set(xlabel="measured", ylabel="fine-tuned for", title=title)
        drawn.colorbar(image, ax=axis, shrink=0.9)
