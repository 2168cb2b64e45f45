"""An alignment on the terminal: what was found, in tables that fit an ordinary window."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from facegeom_lit.evaluation.alignment.result import Alignment, Leakage, Survival
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.alignment_fusion import shown_figures
from facegeom_lit.reporting.alignment_summary import (
    known,
    map_name,
    mean,
    sentences,
    shown_families,
    summaries,
)
from facegeom_lit.reporting.alignment_survival import SIDES, correlations
from facegeom_lit.reporting.alignment_transfer import transfer_maps, transfers
from facegeom_lit.reporting.analysis_tables import WIDTH, short, with_interval
from facegeom_lit.reporting.evaluation_tables import label
from facegeom_lit.reporting.style import words
from facegeom_lit.reporting.tables import number

NAME = 16
"""Letters of a name that are printed."""
SIDE_BY_SIDE = 4
"""Judging sets that one table has columns for."""


def print_alignment(alignment: Alignment) -> None:
    """Print what the maps do on each set, the families, transfer, leakage and ensembles."""
    console = Console(width=WIDTH, highlight=False, markup=False)  # a name is no markup
    _summary(console, alignment)
    _transfer(console, alignment)
    _families(console, alignment)
    _leakage(console, alignment)
    _survival(console, alignment)
    _fusions(console, alignment)
    for sentence in sentences(alignment):
        console.print(sentence, soft_wrap=True)
    for note in alignment.notes:
        console.print(f"note: {note}", soft_wrap=True)


def _summary(console: Console, alignment: Alignment) -> None:
    table = _table(
        "maps between models",
        "medians over pairs of two models (native: over models), in brackets the lowest and "
        "highest · recovered: (aligned − unaligned) / (native − unaligned) of rank-1 · null: "
        "rank-1 where pairs were permuted before the fit · – undefined",
        ("set", "map"),
        ("rank-1", "recovered", "TAR at FAR", "null", "pairs"),
    )
    last = None
    for row in summaries(alignment):
        if last not in (None, row.set):
            table.add_section()
        tar = "–" if row.far is None else f"{number(row.tar)} @{row.far}"
        table.add_row(
            "" if row.set == last else short(row.set, NAME),
            map_name(row.map),
            with_interval(Interval(row.rank1, row.rank1_low, row.rank1_high, row.pairs)),
            number(row.recovered),
            tar,
            number(row.null),
            str(row.pairs),
        )
        last = row.set
    console.print(table)


def _transfer(console: Console, alignment: Alignment) -> None:
    maps = transfer_maps(alignment)
    rows = [row for row in transfers(alignment) if row.map in maps]
    judged = list(dict.fromkeys(row.judged_on for row in rows))
    found = {(row.map, row.fitted_on, row.judged_on): row for row in rows}
    for start in range(0, len(judged), SIDE_BY_SIDE):
        shown = judged[start : start + SIDE_BY_SIDE]
        table = _table(
            "maps of one set on another: rank-1 (recovered)",
            "rows: fitted on, columns: judged on, where it is the same set by other people · means "
            "over pairs of two models",
            ("map", "fitted on"),
            [short(name, 12) for name in shown],
        )
        for name in maps:
            fitted = dict.fromkeys(row.fitted_on for row in rows if row.map == name)
            for index, each in enumerate(fitted):
                cells = [found.get((name, each, judge)) for judge in shown]
                texts = [
                    "–" if cell is None else f"{number(cell.rank1)} ({number(cell.recovered, 2)})"
                    for cell in cells
                ]
                table.add_row("" if index else map_name(name), short(each, NAME), *texts)
            table.add_section()
        console.print(table)


def _families(console: Console, alignment: Alignment) -> None:
    for name in alignment.sets:
        if (found := shown_families(alignment, name)) is not None:
            members: dict[int, list[str]] = {}
            for model, family in zip(found.models, found.family, strict=True):
                members.setdefault(family, []).append(model)
            text = "; ".join(
                f"{family}: {', '.join(members[family])}" for family in sorted(members)
            )
            console.print(f"{name}: families by {map_name(found.map)}: {text}", soft_wrap=True)


def _leakage(console: Console, alignment: Alignment) -> None:
    if not alignment.leakage:
        return
    table = _table(
        "attributes read from templates (balanced accuracy)",
        "means over attributes and pairs · mapped: probe trained and judged on mapped templates · "
        "crossed: trained on the target's own, judged on mapped ones",
        ("set", "map"),
        ("source", "target", "mapped", "crossed", "chance", "attributes", "pairs"),
    )
    groups: dict[tuple[str, str], list[Leakage]] = {}
    for row in alignment.leakage:
        groups.setdefault((row.set, row.map), []).append(row)
    for (name, of_map), rows in groups.items():
        means = [
            mean(known(getattr(row, key).value for row in rows))
            for key in ("source_native", "target_native", "mapped", "crossed")
        ]
        table.add_row(
            short(name, NAME),
            map_name(of_map),
            *map(number, [*means, mean(known(row.chance for row in rows))]),
            str(len({row.attribute for row in rows})),
            str(len({(row.source, row.target) for row in rows})),
        )
    console.print(table)


def _survival(console: Console, alignment: Alignment) -> None:
    groups: dict[tuple[str, str, str], list[Survival]] = {}
    for row in alignment.survival:
        groups.setdefault((row.set, row.map, row.measure), []).append(row)
    for (name, of_map, measure), rows in groups.items():
        source, target = (correlations(rows, side)[0] for side in SIDES)
        if source is not None or target is not None:
            text = f"{words(measure)} over attributes after {map_name(of_map)}: Spearman "
            text += f"{number(source, 2)} with the source's, {number(target, 2)} with the target's"
            console.print(f"{name}: {text}", soft_wrap=True)


def _fusions(console: Console, alignment: Alignment) -> None:
    if not alignment.fusions:
        return
    table = _table(
        "several models as one",
        "difference: fusion − best single model of the fitting people, paired over people, with "
        "its interval · – undefined · the largest ensembles; tables/fusions has all",
        ("set", "method", "figure"),
        ("models", "fusion", "best", "difference"),
    )
    largest: dict[str, int] = {}
    for fusion in alignment.fusions:
        largest[fusion.set] = max(largest.get(fusion.set, 0), len(fusion.models))
    for fusion in alignment.fusions:
        if len(fusion.models) < largest[fusion.set]:
            continue
        for index, name in enumerate(shown_figures([fusion])):
            best, change = fusion.best_figures.get(name), fusion.differences.get(name)
            table.add_row(
                "" if index else short(fusion.set, NAME),
                "" if index else short(words(fusion.method), NAME),
                label(name),
                str(len(fusion.models)),
                number(fusion.figures[name].value),
                number(None if best is None else best.value),
                with_interval(change),
            )
    console.print(table)


def _table(title: str, caption: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, caption=caption)
    for name in texts:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
