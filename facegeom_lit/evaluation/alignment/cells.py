"""Maps between two models, judged on other people of the set they were fitted on."""

from __future__ import annotations

from facegeom_lit.evaluation.alignment.maps import MapChoice
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import NATIVE, RECOVERED, UNALIGNED, Cell
from facegeom_lit.evaluation.alignment.sets import AlignmentSet, Judging
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings
from facegeom_lit.geometry.alignment.judging import recovered
from facegeom_lit.geometry.alignment.null import permuted_rank1


def native_cells(data: AlignmentSet, settings: AlignmentSettings) -> list[Cell]:
    """Every model of a set with its own gallery."""
    return [
        Cell(model, model, NATIVE, data.name, data.name, data.judging.native(space).intervals())
        for model, space in data.spaces.items()
    ]


def own_cells(pair: Pair, settings: AlignmentSettings) -> list[Cell]:
    """No map, and every map of a pair, both ways, on each set: fitted and judged on it."""
    cells = []
    for data in pair.sets:
        for source, target in pair.directions:
            spaces = pair.spaces(data, source)
            figures = data.judging.unaligned(*spaces).intervals()
            cells.append(Cell(source, target, UNALIGNED, data.name, data.name, figures))
            for choice in settings.maps:
                null = _null(pair, data, source, choice, settings)
                cells.append(judged_cell(pair, source, choice, data, data, data.judging, null))
    return cells


def judged_cell(
    pair: Pair,
    source: str,
    choice: MapChoice,
    fitted_on: AlignmentSet,
    judged_on: AlignmentSet,
    judging: Judging,
    null: float | None = None,
) -> Cell:
    """Judge one map.

    Args:
        pair: The two models.
        source: Model of the probes.
        choice: The map.
        fitted_on: Set whose people fit it.
        judged_on: Set that judges.
        judging: Its images that do.
        null: Rank-1 of such a map of permuted pairs.
    """
    mapping = pair.map(fitted_on, source, choice)
    spaces = pair.spaces(judged_on, source)
    judged = judging.mapped(mapping, *spaces)
    without, native = judging.unaligned(*spaces), judging.native(spaces[1])
    figures = judged.intervals() | {RECOVERED: recovered(judged, without, native)}
    return Cell(
        source,
        pair.other(source),
        choice.name,
        fitted_on.name,
        judged_on.name,
        figures,
        mapping.ridge,
        mapping.count,
        null,
    )


def _null(
    pair: Pair, data: AlignmentSet, source: str, choice: MapChoice, settings: AlignmentSettings
) -> float | None:
    if not settings.null_permutations:
        return None
    mapping = pair.map(data, source, choice)
    x, y = pair.spaces(data, source)
    return permuted_rank1(
        mapping,
        x.points[data.fit],
        y.points[data.fit],
        data.groups,
        data.judging.judge,
        data.judging.of(x),
        data.judging.of(y),
        y.distance,
        permutations=settings.null_permutations,
        seed=settings.seed,
    )
