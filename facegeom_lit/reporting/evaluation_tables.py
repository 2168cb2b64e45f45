"""An evaluation of face models as one table: on the terminal, as Markdown and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from facegeom_lit.evaluation.result import Result
from facegeom_lit.files import atomic_path
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.tables import number

DIGITS = 4
"""Digits after the point: a ten-thousandth of 6,000 pairs is less than one pair."""

_SPREAD = "accuracy_std"
_ORDER = ("accuracy", "auc", "eer", "tar@", "rank", "tpir@")
_LABELS = {"auc": "AUC", "eer": "EER", "tar": "TAR", "tpir": "TPIR"}

Failure = tuple[str, str, str]
"""Model, set, and what went wrong."""


def measures(results: Sequence[Result]) -> list[str]:
    """Names of the figures that any result has, in the order of the columns."""
    names = dict.fromkeys(name for result in results for name in result.figures if name != _SPREAD)
    return sorted(names, key=_rank)


def print_results(results: Sequence[Result], failures: Sequence[Failure] = ()) -> None:
    """Print one row for each model and set, and the notes of each set."""
    names = measures(results)
    table = Table(title="face models", caption="– the set does not support the figure")
    table.add_column("set", no_wrap=True)
    table.add_column("model", no_wrap=True)
    for name in names:
        table.add_column(label(name), justify="right", no_wrap=True)
    for group in by_set(results):
        for row, result in enumerate(group):
            cells = [_cell(result, name, intervals=False) for name in names]
            table.add_row("" if row else result.set, result.model, *cells)
        table.add_section()
    for model, set_name, _ in failures:
        table.add_row(set_name, model, "failed")
    wide = Console(width=10_000).measure(table).maximum  # a cut table would be of no use
    console = Console(width=max(120, wide), highlight=False)
    console.print(table)
    for line in note_lines(results):
        console.print(line, soft_wrap=True)


def note_lines(results: Sequence[Result]) -> list[str]:
    """Return what a reader must know, each remark once for each set."""
    lines: dict[str, None] = {}
    for result in results:
        lines |= dict.fromkeys(f"note: {result.set}: {note}" for note in result.notes)
    return list(lines)


def write_markdown(path: str | Path, results: Sequence[Result], level: float) -> None:
    """Write the table with its intervals, whole or not at all."""
    names = measures(results)
    head = ["set", "model", *map(label, names)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for group in by_set(results):
        for result in group:
            cells = [_cell(result, name, intervals=True) for name in names]
            lines.append("| " + " | ".join([result.set, result.model, *cells]) + " |")
    notes = [f"- {line.removeprefix('note: ')}" for line in note_lines(results)]
    text = [*lines, "", f"In brackets: {level:.0%} intervals. –: the set does not support it.", ""]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([*text, *notes]) + "\n", encoding="utf-8")


COLUMNS = ("set", "model", "kind", "measure", "value", "low", "high", "threshold")


def rows(results: Sequence[Result]) -> list[list[str | float | None]]:
    """Return one row for each figure, in the order of `COLUMNS`."""
    return [
        [
            result.set,
            result.model,
            result.kind,
            name,
            figure.value,
            figure.low,
            figure.high,
            result.thresholds.get(name),
        ]
        for group in by_set(results)
        for result in group
        for name, figure in result.figures.items()
    ]


def write_results(path: str | Path, results: Sequence[Result]) -> None:
    """Write `rows` as CSV, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows(results))


def by_set(results: Sequence[Result]) -> list[list[Result]]:
    """Return the results set by set, in the order in which sets first come."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.set, []).append(result)
    return list(groups.values())


def label(name: str) -> str:
    """Return how a figure is called in tables.

    Example:
        >>> label("tar@1e-2"), label("rank1"), label("accuracy")
        ('TAR@1e-2', 'rank-1', 'accuracy')
    """
    if name.startswith("rank"):
        return f"rank-{name.removeprefix('rank')}"
    word, at, rate = name.partition("@")
    return _LABELS.get(word, word) + at + rate


def hardest(names: Iterable[str], kind: str) -> str | None:
    """Return the figure of a kind at the lowest rate.

    Example:
        >>> hardest(["rank1", "tar@1e-2", "tar@1e-3"], "tar")
        'tar@1e-3'
    """
    rates = [name for name in names if name.startswith(f"{kind}@")]
    return min(rates, key=lambda name: float(name.partition("@")[2]), default=None)


def _cell(result: Result, name: str, *, intervals: bool) -> str:
    figure: Interval | None = result.figures.get(name)
    if figure is None:
        return ""
    text = number(figure.value, DIGITS)
    if name == "accuracy" and _SPREAD in result.figures:
        text += f" ± {number(result.figures[_SPREAD].value, DIGITS)}"
    if intervals and figure.low is not None and figure.high is not None:
        text += f" [{number(figure.low, DIGITS)}, {number(figure.high, DIGITS)}]"
    return text


def _rank(name: str) -> tuple[int, float]:
    """Order of the columns: by kind, then from the easiest rate to the hardest."""
    kind = next(i for i, start in enumerate(_ORDER) if name.startswith(start))
    _, at, rate = name.partition("@")
    if at:
        return kind, -float(rate)
    return kind, float(name.removeprefix("rank")) if name.startswith("rank") else 0.0
