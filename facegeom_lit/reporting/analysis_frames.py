"""The tables of an analysis: one list of rows for each, ready for any form of file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import empty

from facegeom_lit.evaluation.analysis import TESTED, Analysis
from facegeom_lit.evaluation.microscale import ENERGY, MEASURES, Microscale
from facegeom_lit.geometry.comparison import comparison_columns
from facegeom_lit.geometry.correlation import bin_centres, pooled_correlation
from facegeom_lit.reporting.correlation_figure import pooled_band

Row = dict[str, Any]
"""One row of a table by column; None where undefined."""
Frame = dict[str, list[Any]]
"""A table by column."""


def frames(analyses: Sequence[Analysis]) -> dict[str, Frame]:
    """Return every table that has a row, by name.

    Args:
        analyses: What was measured.

    Returns:
        `microscale` (a row for each model, set and attribute), `microscale_measures` (every
        measure with its interval), `microscale_people` (identity by identity), `correlation`,
        `interaction`, `models_compared`, `attributes_compared`, `macroscale`, `spearman`,
        `outliers` and `shape`.
    """
    made = {
        name: [row for analysis in analyses for row in rows(analysis)]
        for name, rows in _TABLES.items()
    }
    return {name: columns_of(rows) for name, rows in made.items() if rows}


def rows_of(frame: Mapping[str, Sequence[Any]]) -> list[Row]:
    """Return a table row by row.

    Example:
        >>> rows_of({"a": [1, 2], "b": ["x", None]})
        [{'a': 1, 'b': 'x'}, {'a': 2, 'b': None}]
    """
    return [dict(zip(frame, row, strict=True)) for row in zip(*frame.values(), strict=True)]


def columns_of(rows: Sequence[Row]) -> Frame:
    """Turn rows into columns; rows of several sets may know different columns."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_plain(row.get(name)) for row in rows] for name in names}


def _plain(value: Any) -> Any:
    """NaN and infinity, which JSON has no word for, as None."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _attributes(analysis: Analysis) -> Iterator[tuple[Row, Microscale, str]]:
    for model, found in analysis.microscale.items():
        for attribute in found.figures:
            yield {"set": analysis.set, "model": model, "attribute": attribute}, found, attribute


def _microscale(analysis: Analysis) -> Iterator[Row]:
    for key, found, attribute in _attributes(analysis):
        figures, geometry = found.figures[attribute], found.geometry.by_attribute[attribute]
        energy, response = figures[ENERGY + found.main], figures["response"]
        yield {
            **key,
            "rule": found.main,
            "energy": energy.value,
            "energy_low": energy.low,
            "energy_high": energy.high,
            "null": figures["null_mean"].value,
            "null_z": figures["null_z"].value,
            "response": response.value,
            "response_low": response.low,
            "response_high": response.high,
            "order_parameter": figures["order_parameter"].value,
            "correlation_length": figures["correlation_length"].value,
            "leakage": figures["leakage"].value,
            "chance_leakage": found.geometry.chance_leakage,
            "people": energy.count,
            "curves": int(geometry.curves.sum()),
            "dropped": int(geometry.dropped.sum()),
            "isolated": int(geometry.isolated[found.main].sum()),
        }


def _measures(analysis: Analysis) -> Iterator[Row]:
    for key, found, attribute in _attributes(analysis):
        for measure, figure in found.figures[attribute].items():
            values = {"value": figure.value, "low": figure.low, "high": figure.high}
            yield {**key, "measure": measure, **values, "people": figure.count}


def _people(analysis: Analysis) -> Iterator[Row]:
    for key, found, attribute in _attributes(analysis):
        names = [*(ENERGY + rule for rule in found.geometry.rules), *MEASURES]
        values = {name: found.values(name, attribute).tolist() for name in names}
        curves = found.geometry.by_attribute[attribute].curves.tolist()
        for index, person in enumerate(found.people):
            numbers = {name: column[index] for name, column in values.items()}
            yield {**key, "identity": person, **numbers, "curves": curves[index]}


def _correlation(analysis: Analysis) -> Iterator[Row]:
    resampling = analysis.resampling
    for key, found, attribute in _attributes(analysis):
        geometry = found.geometry.by_attribute[attribute]
        functions = geometry.correlation, geometry.correlation_pairs
        low, high = pooled_band(
            *functions, resamples=resampling.resamples, level=resampling.level, seed=resampling.seed
        )
        columns = {
            "distance": bin_centres(len(low), found.geometry.reach),
            "value": pooled_correlation(*functions),
            "low": low,
            "high": high,
            "pairs": geometry.correlation_pairs.sum(dim=0),
        }
        for row in rows_of({name: column.tolist() for name, column in columns.items()}):
            yield {**key, **row}


def _interaction(analysis: Analysis) -> Iterator[Row]:
    for model, found in analysis.microscale.items():
        names = found.geometry.attributes
        for row, first in enumerate(names):
            for column in range(row):
                ends = {
                    name: matrix[row, column].item() for name, matrix in found.interaction.items()
                }
                key = {"set": analysis.set, "model": model}
                yield {**key, "first": first, "second": names[column], **ends}


def _compared(group: str, of: Callable[..., Any]) -> Callable[[Analysis], Iterator[Row]]:
    """Rows of the tests within each group: two models by attribute, two attributes by model."""

    def rows(analysis: Analysis) -> Iterator[Row]:
        for measure in TESTED if analysis.microscale else ():
            for row in rows_of(comparison_columns(of(analysis, measure))):
                named = {group: row.pop("group")}
                yield {"set": analysis.set, "measure": measure, **named, **row}

    return rows


def _macroscale(analysis: Analysis) -> Iterator[Row]:
    for model, found in analysis.macroscale.items():
        for row in found.table.rows:
            yield {"set": analysis.set, "model": model, **asdict(row)}


def _spearman(analysis: Analysis) -> Iterator[Row]:
    for model, found in analysis.macroscale.items():
        for (ks, entropy), rho in found.table.spearman.items():
            single = found.table.spearman_of_draws(entropy) if ks == "ks_mean" else empty(0)
            yield {
                "set": analysis.set,
                "model": model,
                "ks": ks,
                "entropy": entropy,
                "rho": rho.rho,
                "p": rho.p,
                "low": rho.low,
                "high": rho.high,
                "attributes": rho.count,
                "rho_of_one_draw": float(single.mean()) if len(single) else None,
            }


def _outliers(analysis: Analysis) -> Iterator[Row]:
    for model, found in analysis.macroscale.items():
        if (inliers := found.inliers) is not None:
            yield {
                "set": analysis.set,
                "model": model,
                "images": len(inliers.mask),
                "outliers": inliers.outliers,
                "of_people_with_too_few": inliers.small,
                "kept": int(inliers.mask.sum()),
                "people": inliers.people,
                "people_kept": inliers.people_kept,
            }


def _shape(analysis: Analysis) -> Iterator[Row]:
    for model, found in analysis.shape.items():
        for cloud, shape in found.clouds.items():
            yield {
                "set": analysis.set,
                "model": model,
                "cloud": cloud,
                "points": shape.points,
                "dimension": shape.dimension,
                "standard_error": shape.error,
                "participation_ratio": shape.spectrum.participation_ratio,
                "effective_rank": shape.spectrum.effective_rank,
                "components_of_90_percent": shape.spectrum.components(0.9),
            }


_TABLES: Mapping[str, Callable[[Analysis], Iterator[Row]]] = {
    "microscale": _microscale,
    "microscale_measures": _measures,
    "microscale_people": _people,
    "correlation": _correlation,
    "interaction": _interaction,
    "models_compared": _compared("attribute", Analysis.between_models),
    "attributes_compared": _compared("model", Analysis.between_attributes),
    "macroscale": _macroscale,
    "spearman": _spearman,
    "outliers": _outliers,
    "shape": _shape,
}
