"""The tables of a study: as columns for files, as Markdown, and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.study import Study
from facegeom_lit.reporting.study_changes import run_changes
from facegeom_lit.reporting.study_comparison import Comparison, Pair, interval_text, p_text
from facegeom_lit.reporting.study_compatibility import SERVICES, service_figures
from facegeom_lit.reporting.study_runs import Run
from facegeom_lit.reporting.sweep_matrix import Cell, Cells

Columns = Mapping[str, Sequence[Any]]
Rows = list[list[str]]
PACKAGE = "facegeom_lit"
ALL, EQUAL = "all arms", "equal verification"


def measure_names(study: Study) -> list[str]:
    """Return what was measured: the targets' geometry first, then verification."""
    return list(dict.fromkeys(change.measure for change in study.changes))


def run_columns(study: Study) -> Columns:
    """One row for each run, with the change of its target and of verification."""
    measures, changed = measure_names(study), run_changes(study.changes)
    names = ("arm", "attribute", "seed", *measures, "config_hash", "version", "folder")
    rows = [
        (*run.cell, *map(changed.get(run.cell, {}).get, measures), *_origin(run))
        for run in study.runs.runs
    ]
    return _columns(names, rows)


def matrix_columns(study: Study) -> Columns:
    """One row for each cell of every arm's matrices."""
    names = ("arm", "measure", "fine_tuned_for", "measured", *_CELL)
    rows = [
        (arm, measure, *key, *_cell(cell))
        for (measure, arm), cells in study.matrices.items()
        for key, cell in cells.items()
    ]
    return _columns(names, rows)


def change_columns(study: Study) -> Columns:
    """One row for each arm, targeted attribute and measure."""
    names = ("arm", "attribute", "measure", *_CELL, "seeds")
    rows = [
        (change.arm, change.attribute, change.measure, *_cell(change.cell), len(change.seeds))
        for change in study.changes
    ]
    return _columns(names, rows)


def compatibility_columns(study: Study) -> Columns:
    """One row for each arm, targeted attribute, and figure of the old gallery."""
    names = ("arm", "attribute", "map", "direction", "figure", "difference", "low", "high", "seeds")
    rows = [
        (
            change.arm,
            change.attribute,
            *change.measure.split("/"),
            *_cell(change.cell)[:3],
            len(change.seeds),
        )
        for change in study.compatibility
    ]
    return _columns(names, rows)


def compatibility_table(study: Study) -> tuple[list[str], Rows]:
    """Return heads and rows of what is left of the old gallery: an attribute and arm a row."""
    wanted = [
        f"{service}/{figure}"
        for figure in service_figures(study.compatibility)
        for service in SERVICES
    ]
    found = {(c.attribute, c.arm, c.measure): c.cell for c in study.compatibility}
    keys = dict.fromkeys((attribute, arm) for attribute, arm, _ in found)
    rows = [[*key, *(_text(found.get((*key, measure))) for measure in wanted)] for key in keys]
    return ["attribute", "arm", *wanted], rows


def mean_columns(study: Study) -> Columns:
    """One row for each arm and measure: the mean over attributes."""
    names = ("arm", "measure", "difference", "low", "high", "attributes", "equal_verification")
    rows = [
        (arm, measure, *_interval(mean), arm in study.equal)
        for (arm, measure), mean in study.means.items()
    ]
    return _columns(names, rows)


def pair_columns(study: Study) -> Columns:
    """One row for each two arms compared, among all of them and among those of equal AUC."""
    names = ("among", "measure", "first", "second", "difference", "low", "high", "attributes")
    tests = ("p", "p_holm")
    rows = [
        (among, pair.measure, pair.first, pair.second, *_interval(pair.difference), *_tests(pair))
        for among, comparisons in ((ALL, study.overall), (EQUAL, study.at_equal))
        for comparison in comparisons
        for pair in comparison.pairs
    ]
    return _columns((*names, *tests), rows)


def matrix_table(cells: Cells, *, intervals: bool = True) -> tuple[list[str], Rows]:
    """Return heads and rows of a matrix: fine-tuned for × measured."""
    measured = list(dict.fromkeys(column for _, column in cells))

    def text(key: tuple[str, str]) -> str:
        lines = cells[key].text.split("\n") if key in cells else ["–"]
        return " ".join(lines) if intervals else lines[0]

    rows = [
        [row, *(text((row, column)) for column in measured)]
        for row in dict.fromkeys(row for row, _ in cells)
    ]
    return ["fine-tuned for", *measured], rows


def change_table(study: Study, measures: Sequence[str]) -> tuple[list[str], Rows]:
    """Return heads and rows of the targets' changes: an attribute and arm a row."""
    found = {(c.attribute, c.arm, c.measure): c.cell for c in study.changes}
    keys = sorted(
        {(attribute, arm) for attribute, arm, _ in found},
        key=lambda key: (key[0], study.runs.arms.index(key[1])),
    )
    rows = [[*key, *(_text(found.get((*key, measure))) for measure in measures)] for key in keys]
    return ["attribute", "arm", *measures], rows


def mean_table(study: Study, measures: Sequence[str]) -> tuple[list[str], Rows]:
    """Return heads and rows of the arms' means over attributes, verification beside the move."""
    arms = dict.fromkeys(arm for arm, _ in study.means)
    rows = [
        [
            arm,
            *(
                interval_text(m) if (m := study.means.get((arm, name))) else "–"
                for name in measures
            ),
        ]
        for arm in arms
    ]
    return ["arm", *measures], rows


def pair_table(comparisons: Sequence[Comparison]) -> tuple[list[str], Rows]:
    """Return heads and rows of the pairs of arms."""
    rows = [
        [
            pair.measure,
            pair.first,
            pair.second,
            interval_text(pair.difference) + ("*" if pair.told_apart else ""),
            str(pair.difference.count),
            p_text(pair.p),
            p_text(pair.p_holm),
        ]
        for comparison in comparisons
        for pair in comparison.pairs
    ]
    heads = ["measure", "first", "second", "first − second", "attributes", "p", "p (Holm)"]
    return heads, rows


def equal_table(study: Study) -> tuple[list[str], Rows]:
    """Return heads and rows of the arms' AUC against that of augmentation alone."""
    rows = [
        [arm, interval_text(distance), "yes" if arm in study.equal else "no"]
        for arm, distance in study.distances.items()
    ]
    return ["arm", f"AUC − AUC of {study.augmentation}", f"within {study.tolerance:g}"], rows


def markdown(heads: Sequence[str], rows: Rows) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + [
        "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows
    ]


def print_table(title: str, heads: Sequence[str], rows: Rows, caption: str = "") -> None:
    """Print a table as wide as it must be."""
    table = Table(title=title, caption=caption or None)
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    wide = Console(width=10_000).measure(table).maximum  # a cut table would be of no use
    Console(width=max(120, wide), highlight=False, markup=False).print(table)


_CELL = ("difference", "low", "high", "identities")


def _cell(cell: Cell) -> tuple[float | None, float | None, float | None, int | None]:
    return cell.value, cell.low, cell.high, cell.identities or None


def _origin(run: Run) -> tuple[str, str, str]:
    return run.record["config_hash"], str(run.record["versions"].get(PACKAGE)), str(run.folder)


def _interval(interval: Interval) -> tuple[float | None, float | None, float | None, int]:
    return interval.value, interval.low, interval.high, interval.count


def _tests(pair: Pair) -> tuple[float | None, float | None]:
    return pair.p, pair.p_holm


def _text(cell: Cell | None) -> str:
    return "–" if cell is None else interval_text(cell) + cell.star


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Columns:
    return {name: [row[number] for row in rows] for number, name in enumerate(names)}
