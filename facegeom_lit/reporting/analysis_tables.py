"""An analysis on the terminal: what was found, in tables that fit an ordinary window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from facegeom_lit.evaluation.analysis import Analysis
from facegeom_lit.evaluation.microscale import ENERGY
from facegeom_lit.geometry.macroscale import AttributeRow
from facegeom_lit.geometry.shape.clouds import CENTRES, WHOLE, WITHIN
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.style import words
from facegeom_lit.reporting.tables import number

WIDTH = 100
"""Columns of an ordinary window."""
MOST_ROWS = 12
"""Attributes of a model that are printed; the files have all."""
NAME = 24
"""Letters of a name that are printed."""


def print_analyses(analyses: Sequence[Analysis]) -> None:
    """Print a table for each set and scale, what the tests found, and the remarks."""
    console = Console(width=WIDTH, highlight=False, markup=False)  # a name is no markup
    for analysis in analyses:
        if analysis.microscale:
            _microscale(console, analysis)
            _tests(console, analysis)
        if analysis.macroscale:
            _macroscale(console, analysis)
            _spearman(console, analysis)
        if analysis.shape:
            _shape(console, analysis)
        for note in analysis.remarks:
            console.print(f"note: {analysis.set}: {note}", soft_wrap=True)


def _microscale(console: Console, analysis: Analysis) -> None:
    first = next(iter(analysis.microscale.values()))
    table = Table(
        title=f"{analysis.set}: within identities, {first.main}",
        caption="energy: 0 one direction, 1 independent ones · z: against permuted base points · "
        "response: step in units of the identity's spread · n: people · – undefined",
    )
    for name in ("attribute", "model", "energy", "z", "response", "n"):
        text = name in ("attribute", "model")
        table.add_column(name, justify="left" if text else "right", no_wrap=True)
    for attribute in first.figures:
        for index, (model, found) in enumerate(analysis.microscale.items()):
            figures = found.figures[attribute]
            energy = figures[ENERGY + found.main]
            table.add_row(
                "" if index else short(words(attribute), 18),
                short(model),
                with_interval(energy),
                number(figures["null_z"].value, 1),
                number(figures["response"].value, 2),
                str(energy.count),
            )
        table.add_section()
    console.print(table)


def _tests(console: Console, analysis: Analysis) -> None:
    """Say how many pairs differ; of few pairs, which."""
    sides = (("models", analysis.between_models), ("attributes", analysis.between_attributes))
    for what, compared in sides:
        for measure in ("energy", "response"):
            tests = [test for test in compared(measure) if test.mann_whitney is not None]
            different = [test for test in tests if test.mann_whitney and test.mann_whitney.stars]
            if not tests:
                continue
            line = f"{measure} of two {what}: {len(different)} of {len(tests)} pairs differ "
            line += "(Mann-Whitney, Holm)"
            p = [test.signed_rank.corrected for test in tests if test.signed_rank is not None]
            if paired := sum(each < 0.05 for each in p):  # no p of few people is small enough
                line += f", {paired} when paired by person (signed rank, Holm)"
            shown = [
                f"{words(t.group)}: {t.first} {t.mann_whitney.stars} {t.second}"
                for t in different
                if t.mann_whitney is not None
            ]
            few = 0 < len(shown) <= 4
            console.print(line + (f": {'; '.join(shown)}" if few else ""), soft_wrap=True)


def _macroscale(console: Console, analysis: Analysis) -> None:
    """Print the attributes that show most, by the mean KS over models."""
    rows: dict[str, dict[str, AttributeRow]] = {}
    for model, result in analysis.macroscale.items():
        for row in result.table.rows:
            if row.kind is not None:  # one that never differs is a remark
                rows.setdefault(row.attribute, {})[model] = row
    order = sorted(rows, key=lambda name: _mean_ks(rows[name]), reverse=True)
    several = (
        f", means over {len(analysis.macroscale)} models" if len(analysis.macroscale) > 1 else ""
    )
    table = Table(
        title=f"{analysis.set}: across identities{several}",
        caption="KS: distances within a modality against across, mean of both modalities · probe: "
        "balanced accuracy, 0.5 by chance · dcor: distance correlation · with, without: people · – "
        "undefined",
    )
    for name in (
        "attribute",
        "KS",
        "intra-entropy",
        "inter-entropy",
        "probe",
        "dcor",
        "with / without",
    ):
        table.add_column(name, justify="left" if name == "attribute" else "right", no_wrap=True)
    for name in order[:MOST_ROWS]:
        found = list(rows[name].values())
        table.add_row(
            short(words(name)),
            *(
                number(_mean([getattr(row, field) for row in found]), 3)
                for field in (
                    "ks_mean",
                    "intra_entropy",
                    "inter_entropy",
                    "probe_balanced_accuracy",
                    "distance_correlation",
                )
            ),
            f"{found[0].identities_positive} / {found[0].identities_negative}",
        )
    console.print(table)
    if len(order) > MOST_ROWS:
        console.print(f"… and {len(order) - MOST_ROWS} more in the files")


def _spearman(console: Console, analysis: Analysis) -> None:
    found = {model: result.table.spearman for model, result in analysis.macroscale.items()}
    if not any(found.values()):
        return
    columns = {
        "KS, intra-entropy": ("ks_mean", "intra_entropy"),
        "above chance, intra": ("ks_excess", "intra_entropy"),
        "KS, inter-entropy": ("ks_mean", "inter_entropy"),
    }
    table = Table(
        title=f"{analysis.set}: Spearman correlation of mean KS over attributes",
        caption="above chance: KS less that of labels dealt anew among the same people",
    )
    table.add_column("model", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for model, rhos in found.items():
        cells = []
        for kind in columns.values():
            rho = rhos.get(kind)
            if rho is None:
                cells.append("–")
            else:
                cells.append(with_interval(Interval(rho.rho, rho.low, rho.high, rho.count), 2))
        table.add_row(short(model), *cells)
    console.print(table)


def _shape(console: Console, analysis: Analysis) -> None:
    """Print the clouds that every model has; the files have all."""
    table = Table(
        title=f"{analysis.set}: shape",
        caption="dimension by persistent homology ± its standard error · – undefined",
    )
    for name in ("cloud", "model", "points", "dimension", "participation ratio"):
        text = name in ("cloud", "model")
        table.add_column(name, justify="left" if text else "right", no_wrap=True)
    for cloud in (WHOLE, CENTRES, WITHIN):
        for index, (model, found) in enumerate(analysis.shape.items()):
            if (shape := found.clouds.get(cloud)) is None:
                continue
            error = "" if shape.error is None else f" ± {number(shape.error, 1)}"
            table.add_row(
                "" if index else cloud,
                short(model),
                str(shape.points),
                number(shape.dimension, 1) + error,
                number(shape.spectrum.participation_ratio, 1),
            )
        table.add_section()
    console.print(table)


def with_interval(figure: Interval | None, digits: int = 3) -> str:
    """Return a figure and its interval as text; an absent one is a dash.

    Example:
        >>> with_interval(Interval(0.5, 0.4, 0.6, 9))
        '0.500 [0.400, 0.600]'
    """
    if figure is None or figure.low is None or figure.high is None:
        return number(None if figure is None else figure.value, digits)
    ends = f"[{number(figure.low, digits)}, {number(figure.high, digits)}]"
    return f"{number(figure.value, digits)} {ends}"


def short(name: str, most: int = NAME) -> str:
    """Return a name cut in its middle, where models of one family are alike.

    Example:
        >>> short("mobilefacenet_prelu_casia", 15)
        'mobilef…u_casia'
    """
    if len(name) <= most:
        return name
    end = (most - 1) // 2
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def _mean_ks(rows: Mapping[str, AttributeRow]) -> float:
    mean = _mean([row.ks_mean for row in rows.values()])
    return -1.0 if mean is None else mean


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
