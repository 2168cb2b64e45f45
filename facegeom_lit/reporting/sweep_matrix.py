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
    """A difference over so many identities, with its 95 % interval where they are enough.

    All None: no identity is defined before and after in every seed.
    """

    value: float | None
    low: float | None
    high: float | None
    identities: int

    @property
    def star(self) -> str:
        """A star where the interval leaves out zero."""
        if self.low is None or self.high is None:
            return ""
        return "*" if self.low > 0 or self.high < 0 else ""

    @property
    def text(self) -> str:
        """The difference, and below it the interval."""
        if self.value is None:
            return "–"
        interval = "" if self.low is None else f"\n[{self.low:+.3f}, {self.high:+.3f}]"
        return f"{self.value:+.3f}{self.star}{interval}"


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
        values = torch.tensor(
            [[table[name] for name in people] for table in seeds], dtype=torch.float64
        )
        whole = bootstrap_interval(values.mean(0))
        means = values.mean(1).tolist()
        low = None if whole.low is None else min(whole.low, *means)
        high = None if whole.high is None else max(whole.high, *means)
        cells[key] = Cell(whole.value, low, high, len(people))
    return cells


def sweep_figure(path: str | Path, cells: Cells, title: str) -> None:
    """Draw the matrix: a row per attribute fine-tuned for, a column per attribute measured."""
    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = list(dict.fromkeys(column for _, column in cells))
    values = np.zeros((len(rows), len(columns)))
    for (row, column), cell in cells.items():
        values[rows.index(row), columns.index(column)] = cell.value or 0
    limit = float(np.abs(values).max()) or 1.0
    with figure(path, 1.15 * len(columns) + 2.2, 0.62 * len(rows) + 1.6) as drawn:
        axis = drawn.subplots()
        axis.grid(False)
        image = axis.imshow(values, vmin=-limit, vmax=limit, cmap="RdBu_r", aspect="auto")
        for (row, column), cell in cells.items():
            axis.text(
                columns.index(column),
                rows.index(row),
                cell.text,
                ha="center",
                va="center",
                fontsize=7,
                color="w" if abs(cell.value or 0) > 0.6 * limit else "k",
            )
        axis.set_xticks(range(len(columns)), [words(name) for name in columns], rotation=25)
        axis.set_yticks(range(len(rows)), [words(name) for name in rows])
        axis.set(xlabel="measured", ylabel="fine-tuned for", title=title)
        drawn.colorbar(image, ax=axis, shrink=0.9)
