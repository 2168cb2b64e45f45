"""How alike two models' spaces are without any map, on the judging people of each set."""

from __future__ import annotations

from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import Index
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings
from facegeom_lit.geometry.alignment.cka import FEWEST_ROWS
from facegeom_lit.geometry.alignment.similarity import similarity

MANY_PEOPLE = 100
"""So many people can be permuted well, however much their numbers of images differ."""


def similarity_indices(pair: Pair, settings: AlignmentSettings) -> list[Index]:
    """Debiased CKA, mutual k-NN and Procrustes disparity of a pair on each set that allows it."""
    found: list[Index] = []
    for data in pair.sets:
        if not settings.similarity_permutations or not (k := neighbors(data, settings)):
            continue
        first, second = pair.spaces(data, pair.first)
        indices = similarity(
            data.judging.of(first),
            data.judging.of(second),
            data.judging.labels,
            distances=(first.distance, second.distance),
            k=k,
            permutations=settings.similarity_permutations,
            level=settings.judge.level,
            seed=settings.seed,
        )
        found += [
            Index(pair.first, pair.second, data.name, name, each.value, each.null, each.p)
            for name, each in indices.items()
        ]
    return found


def neighbors(data: AlignmentSet, settings: AlignmentSettings) -> int:
    """How many neighbours the mutual k-NN takes: as set, or as many as all images have.

    Neighbours are of other people, and one more person is left out in turn.

    Returns:
        At most `settings.neighbors`; 0 where there are too few images for any index.
    """
    counts = data.judging.labels.unique(return_counts=True)[1].sort(descending=True).values
    most, second, *_ = counts.tolist()
    images = int(counts.sum())
    if images - most < FEWEST_ROWS:  # the intervals leave out any person
        return 0
    return min(settings.neighbors, images - most - second)


def indices_notes(data: AlignmentSet, settings: AlignmentSettings) -> list[str]:
    """What a reader must know of the similarity indices of a set."""
    if not settings.similarity_permutations:
        return []
    k = neighbors(data, settings)
    if not k:
        return [f"{data.name}: too few images judge for similarity indices"]
    fewer = "" if k == settings.neighbors else f", and of only k={k} neighbours"
    notes = [f"{data.name}: similarity indices are of the people who judge{fewer}"]
    counts = data.judging.labels.unique(return_counts=True)[1]
    least, most = int(counts.min()), int(counts.max())
    if len(counts) < MANY_PEOPLE and most > 2 * least:
        notes.append(
            f"{data.name}: p of the similarity indices is too small, for the {len(counts)} people "
            f"who judge have {least} to {most} images; see also whether the interval holds chance"
        )
    return notes
