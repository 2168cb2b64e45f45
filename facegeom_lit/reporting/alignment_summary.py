"""An alignment in few numbers: medians over the pairs of models, matrices, and the sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list

from facegeom_lit.evaluation.alignment.result import (
    NATIVE,
    RECOVERED,
    UNALIGNED,
    Alignment,
    Cell,
    Families,
)
from facegeom_lit.evaluation.alignment.section_settings import PREFERRED
from facegeom_lit.reporting.evaluation_tables import hardest
from facegeom_lit.reporting.style import words
from facegeom_lit.reporting.tables import number, or_nan

RANK1 = "rank1"


@dataclass(frozen=True)
class Summary:
    """A map on a set over all pairs of two models.

    Attributes:
        set: Name of the set, which fits and judges.
        map: How probes were mapped; `native` sums up models, the others pairs.
        pairs: How many of them.
        rank1: Median rank-1; None where undefined for all.
        rank1_low: Lowest.
        rank1_high: Highest.
        recovered: Median of (aligned − unaligned) / (native − unaligned).
        far: The smallest FAR that is supported everywhere on the set, as `1e-3`.
        tar: Median TAR there.
        null: Mean rank-1 of maps whose pairs were permuted before the fit.
    """

    set: str
    map: str
    pairs: int
    rank1: float | None
    rank1_low: float | None
    rank1_high: float | None
    recovered: float | None
    far: str | None
    tar: float | None
    null: float | None


def summaries(alignment: Alignment) -> list[Summary]:
    """Sum up every map of every set: unaligned first, native last."""
    found = []
    for name in alignment.sets:
        cells = within(alignment, name)
        far = hardest_far(cells)
        for each in [*maps_of(cells), NATIVE]:
            of_map = [cell for cell in cells if cell.map == each]
            ranks = known(figure(cell, RANK1) for cell in of_map)
            if of_map:
                found.append(
                    Summary(
                        set=name,
                        map=each,
                        pairs=len(of_map),
                        rank1=median(ranks),
                        rank1_low=min(ranks, default=None),
                        rank1_high=max(ranks, default=None),
                        recovered=median(known(figure(cell, RECOVERED) for cell in of_map)),
                        far=None if far is None else far.partition("@")[2],
                        tar=None if far is None else median(known(figure(c, far) for c in of_map)),
                        null=mean(known(cell.null for cell in of_map)),
                    )
                )
    return found


def sentences(alignment: Alignment) -> list[str]:
    """Say for each set what the maps do.

    Example:
        `lfw: rank-1 of one model's faces in another's gallery: 0.006 unaligned, 0.840 ridge
        (medians over 72 pairs of models); native 0.851 (median over 9 models).`
    """
    rows = summaries(alignment)
    said = []
    for name in alignment.sets:
        of_set = [row for row in rows if row.set == name and row.rank1 is not None]
        pairs = [row for row in of_set if row.map != NATIVE]
        if not pairs:
            continue
        maps = ", ".join(f"{number(row.rank1)} {map_name(row.map)}" for row in pairs)
        most = max(row.pairs for row in pairs)
        medians = f"medians over {most} pairs of models" if most > 1 else "one pair of models"
        text = f"{name}: rank-1 of one model's faces in another's gallery: {maps} ({medians})"
        for row in of_set:
            if row.map == NATIVE:
                over = f" (median over {row.pairs} models)" if row.pairs > 1 else ""
                text += f"; native {number(row.rank1)}{over}"
        said.append(text + ".")
    return said


def within(alignment: Alignment, name: str) -> list[Cell]:
    """Return the cells of maps that were fitted and judged on one set (other people of it)."""
    return [cell for cell in alignment.cells if cell.judged_on == cell.fitted_on == name]


def maps_of(cells: Iterable[Cell]) -> list[str]:
    """Return the maps between models in the order in which they come, no map first."""
    names = dict.fromkeys(cell.map for cell in cells if cell.map != NATIVE)
    return sorted(names, key=lambda name: name != UNALIGNED)


def map_name(name: str) -> str:
    """Return how a map is called in text.

    Example:
        >>> map_name("none"), map_name("low_rank")
        ('unaligned', 'low rank')
    """
    return "unaligned" if name == UNALIGNED else words(name)


def figure(cell: Cell, name: str) -> float | None:
    """Return the value of a cell's figure; None where it is undefined or not measured."""
    found = cell.figures.get(name)
    return None if found is None else found.value


def hardest_far(cells: Sequence[Cell]) -> str | None:
    """Return the TAR at the smallest FAR that every cell supports, as `tar@1e-3`, or None."""
    names = dict.fromkeys(name for cell in cells for name in cell.figures)
    everywhere = (n for n in names if all(figure(cell, n) is not None for cell in cells))
    return hardest(everywhere, "tar")


def matrix_of(
    cells: Iterable[Cell], models: Sequence[str], name: str, figure_name: str
) -> NDArray[np.float64]:
    """Return a figure of one map between all models, native on the diagonal.

    Args:
        cells: Of one set.
        models: Rows (probes) and columns (galleries).
        name: The map.
        figure_name: The figure.

    Returns:
        Shape (M, M); NaN where it was not measured.
    """
    place = {model: index for index, model in enumerate(models)}
    values = np.full((len(models), len(models)), np.nan)
    for cell in cells:
        known_models = cell.source in place and cell.target in place
        if cell.map in (name, NATIVE) and known_models:
            value = figure(cell, figure_name)
            values[place[cell.source], place[cell.target]] = or_nan(value)
    return values


def shown_families(alignment: Alignment, name: str) -> Families | None:
    """Return the families of a set, of the preferred map where there are several."""
    of_set = [found for found in alignment.families if found.set == name]
    return min(of_set, key=lambda found: found.map != PREFERRED, default=None)


def family_of(alignment: Alignment, name: str) -> dict[str, int]:
    """Return each model's family on a set; empty where there are no families."""
    found = shown_families(alignment, name)
    return {} if found is None else dict(zip(found.models, found.family, strict=True))


def ordered_models(alignment: Alignment, name: str) -> list[str]:
    """Return the models of a set in the order of the leaves of its families, if it has any."""
    cells = within(alignment, name)
    measured = {model for cell in cells for model in (cell.source, cell.target)}
    families = shown_families(alignment, name)
    leaves = [] if families is None else leaf_order(families)
    return [m for m in dict.fromkeys([*leaves, *alignment.models]) if m in measured]


def leaf_order(families: Families) -> list[str]:
    """Return the models as the leaves of the dendrogram stand."""
    return [families.models[index] for index in leaves_list(families.linkage)]


def shown_map(alignment: Alignment, name: str) -> str | None:
    """Return the map that a set's families are of, else the preferred or the last fitted one."""
    if (families := shown_families(alignment, name)) is not None:
        return families.map
    fitted = [each for each in maps_of(within(alignment, name)) if each != UNALIGNED]
    return PREFERRED if PREFERRED in fitted else (fitted[-1] if fitted else None)


def recovered_both_ways(
    alignment: Alignment, name: str, of_map: str
) -> dict[frozenset[str], float]:
    """Return the mean of `recovered` of both directions of each pair of models on a set."""
    found: dict[frozenset[str], list[float]] = {}
    for cell in within(alignment, name):
        value = figure(cell, RECOVERED)
        if cell.map == of_map and value is not None:
            found.setdefault(frozenset((cell.source, cell.target)), []).append(value)
    return {pair: float(np.mean(values)) for pair, values in found.items()}


def known(values: Iterable[float | None]) -> list[float]:
    """Return the values that are defined."""
    return [value for value in values if value is not None and np.isfinite(value)]


def median(values: Sequence[float]) -> float | None:
    """Return the median; None without any value."""
    return float(np.median(values)) if len(values) else None


def mean(values: Sequence[float]) -> float | None:
    """Return the mean; None without any value."""
    return float(np.mean(values)) if len(values) else None
