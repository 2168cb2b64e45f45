"""The quality of a synthesis as tables: on the terminal and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from facegeom_lit.files import atomic_path
from facegeom_lit.reporting.style import words
from facegeom_lit.reporting.tables import number

Record = Mapping[str, Any]

_WHOLE = {
    "identity": ("auc", "auc_low", "auc_high"),
    "variety": ("within", "between"),
    "distribution": ("frechet", "kernel"),
    "nearest_training": ("median", "p99", "highest"),
}
_LABELS = {
    ("identity", "auc"): "identity, AUC of same against different",
    ("identity", "auc_low"): "  95 % interval, from",
    ("identity", "auc_high"): "  to",
    ("variety", "within"): "cosine distance within people",
    ("variety", "between"): "cosine distance between people",
    ("distribution", "frechet"): "Fréchet distance to source faces of others",
    ("distribution", "kernel"): "kernel distance to source faces of others",
    ("nearest_training", "median"): "highest cosine to a training face, median",
    ("nearest_training", "p99"): "  99th percentile",
    ("nearest_training", "highest"): "  highest",
}


def print_evaluation(record: Record) -> None:
    """Print an evaluation: by attribute, as a whole, and what leaks."""
    console = Console(width=120, highlight=False)
    for table in (_attributes(record), _whole(record), _leakage(record)):
        console.print(table)
    for note in record["notes"]:
        console.print(f"note: {note}")


def rows(record: Record) -> list[tuple[str, str, float | None, float | None]]:
    """Return every figure as (section, name, generated, source)."""
    generated, source = record["generated"], record["source"]
    found = [
        (f"attributes/{name}", key, value, source["attributes"][name][key])
        for name, values in generated["attributes"].items()
        for key, value in values.items()
    ]
    for section in ("curve_cosine", *_WHOLE):
        found += [
            (section, key, value, source[section][key]) for key, value in generated[section].items()
        ]
    names = list(generated["attributes"])
    found += [
        (f"leakage/{moved}", name, generated["leakage"][i][j], source["leakage"][i][j])
        for i, moved in enumerate(names)
        for j, name in enumerate(names)
    ]
    return found


def write_csv(path: str | Path, record: Record) -> None:
    """Write `rows` as CSV, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["section", "name", "generated", "source"])
        writer.writerows(rows(record))


def _attributes(record: Record) -> Table:
    table = Table(
        title=f"{record['synthesis']}: do faces follow what was asked? (source faces in brackets)",
        caption="response: measured steps per step asked; leak: largest median change of another "
        "attribute, in its steps",
    )
    columns = ("R²", "correlation", "monotone curves", "response", "leak", "curve cosine")
    keys = ("r2", "correlation", "monotone_share", "response", "largest_leak")
    table.add_column("attribute")
    for column in columns:
        table.add_column(column, justify="right")
    generated, source = record["generated"], record["source"]
    for name, values in generated["attributes"].items():
        beside = source["attributes"][name]
        cosines = generated["curve_cosine"][name], source["curve_cosine"][name]
        table.add_row(
            words(name),
            *(_both(values[key], beside[key]) for key in keys),
            _both(*cosines),
        )
    return table


def _whole(record: Record) -> Table:
    table = Table(title=f"identity, variety and distribution, by {record['face_model']['name']}")
    for column in ("measure", record["synthesis"], "source"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    for section, keys in _WHOLE.items():
        for key in keys:
            table.add_row(
                _LABELS[section, key],
                number(record["generated"][section][key]),
                number(record["source"][section][key]),
            )
        table.add_section()
    return table


def _leakage(record: Record) -> Table:
    names: Sequence[str] = list(record["generated"]["attributes"])
    table = Table(title="leakage: steps of each attribute (column) per step of another (row)")
    table.add_column("moved")
    for name in names:
        table.add_column(words(name), justify="right")
    for name, values in zip(names, record["generated"]["leakage"], strict=True):
        cells = [f"{value:+.2f}" for value in values]
        own = names.index(name)
        cells[own] = f"[bold]{cells[own]}[/bold]"
        table.add_row(words(name), *cells)
    return table


def _both(generated: float | None, source: float | None) -> str:
    return f"{number(generated, 2)} ({number(source, 2)})"
