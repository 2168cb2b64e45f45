"""The before/after table that a run prints, from its record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

Record = Mapping[str, Any]
SECTIONS = (
    "val/energy/",
    "val/response/",
    "val/response_raw/",
    "val/exact_energy/",
    "val/exact_response/",
    "val/verify/",
    "val/align/",
)
OLD = "val/align/original/"
"""Where the alignment with the model that a run started from is logged."""

MAPS = ("ridge", "low_rank", "linear", "procrustes")


def number(value: float | None, digits: int = 3) -> str:
    """Return a figure as text; an absent one is a dash."""
    return "–" if value is None else f"{value:.{digits}f}"


def or_nan(value: float | None) -> float:
    """Return a figure as drawings take it; an absent one is NaN."""
    return math.nan if value is None else value


def difference(entry: Mapping[str, float | None] | None) -> str:
    """Return a difference with its interval; a star where the interval leaves out zero."""
    if entry is None or entry["difference"] is None:
        return "–"
    low, high = entry["low"], entry["high"]
    if low is None or high is None:
        return f"{entry['difference']:+.3f}"
    star = " *" if low > 0 or high < 0 else "  "
    return f"{entry['difference']:+.3f} [{low:+.3f}, {high:+.3f}]{star}"


def compatibility(metrics: Mapping[str, float | None]) -> str:
    """Say whether the starting model's gallery still serves; empty where that was not measured.

    Of several maps the one of `MAPS` that stands first there: not the best on the judging people.
    """
    found = {
        name.removeprefix(OLD).removesuffix("/rank1"): number(value)
        for name, value in metrics.items()
        if name.startswith(OLD) and name.endswith("/rank1")
    }
    if not found:
        return ""
    mapped = next((name for name in MAPS if f"{name}/to" in found), None)
    return (
        f"backward compatibility, rank-1 of new probes: old gallery {found['none/to']} unmapped"
        + (f", {found[f'{mapped}/to']} mapped ({mapped})" if mapped else "")
        + f"; re-enrolled {found['native/from']}; the old model had {found['native/to']}"
    )


def print_run(record: Record) -> None:
    """Print a run's table: geometry by attribute, verification, rank-1 of the alignment."""
    console = Console(width=120, highlight=False)
    target = record["attribute"]
    table = Table(
        title=f"{record['name']}: attribute {target}, objective {record['objective']}",
        caption="* the 95 % interval over identities leaves out zero; † columns and difference are "
        "not over the same people, see the notes",
    )
    for column in ("measure", "before", "after", "after − before [95 %]"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    after, before, changes = record["metrics"], record["baseline"], record["differences"]
    for section in SECTIONS:
        shown = [key for key in after if key.startswith(section)]
        if section == "val/align/":
            shown = [key for key in shown if key.endswith("/rank1")]
        for name in shown:
            style = "bold" if name.endswith(f"/{target}") else None
            table.add_row(
                name.removeprefix("val/"),
                number(before.get(name)),
                number(after[name]),
                difference(changes.get(name)) + (" †" if name in record["unpaired"] else ""),
                style=style,
            )
        table.add_section()
    console.print(table)
    if said := compatibility(after):
        console.print(said)
    for note in record["notes"]:
        console.print(f"note: {note}")
