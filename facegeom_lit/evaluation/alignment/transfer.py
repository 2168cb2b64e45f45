"""Do maps that were fitted on one set serve on another?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from facegeom_lit.evaluation.alignment.cells import judged_cell
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import Cell
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings


def transfer_cells(pair: Pair, settings: AlignmentSettings) -> list[Cell]:
    """Every map of a pair, fitted on one set and judged on each other one that both models share.

    People who fit the map do not judge it, should they be in both sets (`judging_for`); `recovered`
    is then of the remaining people's native and unaligned figures. A model whose mean is taken away
    is centred on each set by that set's own fitting people, which spares its maps any shift between
    the sets.
    """
    return [
        judged_cell(pair, source, choice, fitted_on, judged_on, judging)
        for fitted_on, judged_on in permutations(pair.sets, 2)
        if (judging := judged_on.judging_for(fitted_on)) is not None
        for source, _ in pair.directions
        for choice in settings.maps
    ]


def transfer_notes(sets: Sequence[AlignmentSet]) -> list[str]:
    """What a reader must know of people in two sets."""
    notes = []
    for fitted_on, judged_on in permutations(sets, 2):
        if not set(fitted_on.spaces) & set(judged_on.spaces):
            continue
        if not (shared := judged_on.shared_with(fitted_on)):
            continue
        where = f"maps fitted on {fitted_on.name}, judged on {judged_on.name}"
        said = f"{len(shared)} people who fitted them are left out, e.g. {min(shared)}"
        if judged_on.judging_for(fitted_on) is None:
            said = f"not measured, for nearly all who would judge fitted them (e.g. {min(shared)})"
        notes.append(f"{where}: {said}")
    return notes
