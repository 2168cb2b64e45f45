"""Similarity of spaces without a map, and whether it foretells what a map recovers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from facegeom_lit.evaluation.alignment.result import Index
from facegeom_lit.reporting.alignment_summary import known, mean
from facegeom_lit.reporting.heat_map import heat_map, model_matrices
from facegeom_lit.reporting.style import (
    ACCENT,
    AFTER,
    QUIET,
    figure,
    footnote,
    headline,
)
from facegeom_lit.reporting.tables import number, or_nan

TITLES = {
    "cka": "debiased CKA",
    "mutual_knn": "mutual k-NN",
    "procrustes_disparity": "Procrustes disparity",
}
LESS_IS_ALIKE = ("procrustes_disparity",)
FEWEST = 4
"""Pairs of models that a rank correlation needs."""


def similarity_figure(
    path: str | Path, indices: Sequence[Index], models: Sequence[str], title: str
) -> None:
    """Draw a matrix for each index, in its own scale; darker is more alike.

    Args:
        path: PNG to write.
        indices: Of one set.
        models: Rows and columns, in the order of their families.
        title: Of the figure.
    """
    names = list(dict.fromkeys(index.name for index in indices))
    place = {model: row for row, model in enumerate(models)}
    with model_matrices(path, len(models), len(names)) as (drawn, axes):
        for axis, name in zip(axes, names, strict=True):
            values = np.full((len(models), len(models)), np.nan)
            notes = [[""] * len(models) for _ in models]
            of_name = [index for index in indices if index.name == name]
            for index in of_name:
                ends = place[index.first], place[index.second]
                value = or_nan(index.value.value)
                for row, column in (ends, ends[::-1]):
                    values[row, column] = value
                    notes[row][column] = "" if index.p < 0.05 else "n.s."
            shown = values[~np.isnan(values)]
            low, high = (
                (shown.min(), shown.max()) if len(shown) and np.ptp(shown) > 0 else (0.0, 1.0)
            )
            heat_map(
                axis,
                values,
                models,
                models,
                low=low,
                high=high,
                notes=notes,
                colors="YlGnBu_r" if name in LESS_IS_ALIKE else "YlGnBu",
                size=6.5,
            )
            null = mean(known(index.null for index in of_name))
            axis.set_title(f"{TITLES.get(name, name)} (null {number(null)})", fontsize=9)
        headline(drawn, title)
        footnote(
            drawn,
            "Darker: more alike, each panel from its least to its most. Null: people permuted, "
            "mean over pairs. –: a model with itself, or undefined.",
            "n.s.: p ≥ 0.05." if any(index.p >= 0.05 for index in indices) else "All: p < 0.05.",
        )


def prediction_figure(
    path: str | Path,
    indices: Sequence[Index],
    recovered: Mapping[frozenset[str], float],
    families: Mapping[str, int],
    title: str,
) -> None:
    """Draw what a map recovers against each index, a dot for each pair of models.

    Args:
        path: PNG to write.
        indices: Of one set.
        recovered: Two models → mean of recovered of both directions.
        families: Model → number of its family; may be empty.
        title: Of the figure.
    """
    names = list(dict.fromkeys(index.name for index in indices))
    with figure(path, 3.4 * len(names) + 0.6, 3.9) as drawn:
        axes = drawn.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axis, name in zip(axes, names, strict=True):
            pairs = {
                frozenset((index.first, index.second)): index.value.value
                for index in indices
                if index.name == name and index.value.value is not None
            }
            shared = [pair for pair in pairs if pair in recovered]
            x, y = [pairs[pair] for pair in shared], [recovered[pair] for pair in shared]
            alike = [len({families.get(model) for model in pair}) == 1 for pair in shared]
            for same, color, mark in ((False, ACCENT, "o"), (True, AFTER, "D")):
                chosen = [i for i, each in enumerate(alike) if (each and bool(families)) == same]
                at = [x[i] for i in chosen], [y[i] for i in chosen]
                axis.plot(*at, mark, color=color, ms=4.5, mec="white", mew=0.5, alpha=0.85)
            axis.set_xlabel(TITLES.get(name, name))
            rho = rank_correlation(x, y)
            text = f"Spearman ρ = {number(rho, 2)} ({len(shared)} pairs)"
            axis.set_title(text, fontsize=9, color="k" if rho is not None else QUIET)
        axes[0].set_ylabel("recovered")
        headline(drawn, title)
        footnote(
            drawn,
            "Dots: pairs of two models; recovered: mean of both directions.",
            "Red diamonds: within a family." if families else "",
            "Pairs share models, so they are not independent: no p is given.",
        )


def rank_correlation(x: Sequence[float | None], y: Sequence[float | None]) -> float | None:
    """Return Spearman's ρ of two lists; None of too few pairs of values or where one is constant.

    Example:
        >>> round(rank_correlation([1, 2, 3, 4], [1, 2, 4, 3]), 3)
        0.8
    """
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    if len(pairs) < FEWEST or any(len(set(side)) < 2 for side in zip(*pairs, strict=True)):
        return None
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)
