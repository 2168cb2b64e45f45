"""Which models are of one family: hierarchical clustering of how well they align."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from facegeom_lit.evaluation.alignment.result import NATIVE, RECOVERED, UNALIGNED, Cell, Families

ALIKE = 0.1
"""Models that recover nine tenths of each other are of one family, however the others stand."""


def families(
    cells: Sequence[Cell], models: Sequence[str], data: str, name: str, cut: float | None = None
) -> Families | None:
    """Cluster the models of a set by average linkage of 1 − the mean recovered of both directions.

    What is recovered is cut to [0, 1] first: a map that does better than native, or worse than no
    map, says no more of how far two models are apart than 1 or 0 does.

    Args:
        cells: With those of all pairs on the set.
        models: Those that are on the set, two or more.
        data: Name of the set.
        name: Name of the map.
        cut: Distance above which families stay apart; None: in the widest gap (`largest_gap`).

    Returns:
        The families; None where a pair has no figure.
    """
    found = {
        (cell.source, cell.target): cell
        for cell in cells
        if cell.fitted_on == cell.judged_on == data and cell.map in (name, NATIVE)
    }
    count = len(models)
    matrix, shares = np.full((count, count), np.nan), np.zeros((count, count))
    for row, source in enumerate(models):
        for column, target in enumerate(models):
            if (cell := found.get((source, target))) is None:
                return None
            matrix[row, column] = _value(cell, "rank1")
            shares[row, column] = 1.0 if row == column else _value(cell, RECOVERED)
    shares = shares.clip(0, 1)
    distance = 1 - (shares + shares.T) / 2
    if np.isnan(distance).any() or np.isnan(matrix).any():
        return None
    tree = linkage(squareform(distance, checks=False), "average")
    at = largest_gap(tree[:, 2]) if cut is None else cut
    family = tuple(int(number) for number in fcluster(tree, at, "distance"))
    return Families(data, name, tuple(models), matrix, distance, tree, family)


def largest_gap(heights: NDArray[np.float64]) -> float:
    """Where to cut a tree: the middle of the widest gap between 0 and its heights, or `ALIKE`.

    Args:
        heights: Of the joins, (M − 1,).

    Returns:
        At least `ALIKE`.

    Example:
        >>> largest_gap(np.array([0.0, 0.25, 0.75])), largest_gap(np.array([0.01, 0.05]))
        (0.5, 0.1)
    """
    ends = np.concatenate([[0.0], np.sort(heights)])
    widest = int(np.argmax(np.diff(ends)))
    return max(float((ends[widest] + ends[widest + 1]) / 2), ALIKE)


def all_families(
    cells: Sequence[Cell], models: Mapping[str, Sequence[str]], cut: float | None = None
) -> tuple[list[Families], list[str]]:
    """Cluster by every map on every set.

    Args:
        cells: Of all pairs on all sets.
        models: Models of each set.
        cut: As of `families`.

    Returns:
        The families, and a note on each that could not be found.
    """
    found, notes = [], []
    for data, names in models.items():
        maps = dict.fromkeys(
            cell.map
            for cell in cells
            if cell.fitted_on == cell.judged_on == data and cell.map not in (NATIVE, UNALIGNED)
        )
        for name in maps:
            clustered = families(cells, names, data, name, cut)
            if clustered is None:
                notes.append(
                    f"{data}: no families by {name}, since a pair of models was not measured, or "
                    "has nothing to recover (native no better than unaligned)"
                )
            else:
                found.append(clustered)
    return found, notes


def _value(cell: Cell, name: str) -> float:
    value = cell.figures[name].value
    return np.nan if value is None else value
