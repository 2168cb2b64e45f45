"""How rank-1 grows with the rank of a map, and with the paired images it is fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from facegeom_lit.evaluation.alignment.maps import MapChoice
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import Ladder
from facegeom_lit.evaluation.alignment.sets import AlignmentSet, Judging, Space
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings, JudgeSettings
from facegeom_lit.geometry.alignment.affine import AffineAccumulator, AffineMap
from facegeom_lit.geometry.roc_bootstrap import share_interval

FIRST_ANCHORS = 16
"""Where the anchors curve begins."""
RANK, ANCHORS = "rank", "anchors"
LOW_RANK = MapChoice("low_rank", "low_rank")


def ladders(pair: Pair, settings: AlignmentSettings) -> list[Ladder]:
    """Rank and anchors curves of a pair on each set, in the directions that are asked for."""
    wanted = settings.ladders.pairs
    directions = [d for d in pair.directions if wanted is None or d in wanted]
    found = []
    for data in pair.sets:
        for source, _ in directions:
            found.append(rank_ladder(pair, data, source, settings))
        for choice in settings.maps:
            if choice.name in settings.ladders.maps and directions:
                sources = [source for source, _ in directions]
                found += anchors_ladders(pair, data, sources, choice, settings)
    return found


def rank_ladder(pair: Pair, data: AlignmentSet, source: str, settings: AlignmentSettings) -> Ladder:
    """Rank-1 of the low-rank map by its rank, all ranks from one decomposition."""
    spaces = pair.spaces(data, source)
    largest = min(space.dimension for space in spaces)
    steps = steps_up_to(largest, settings.ladders.ranks, 1)
    choice = next((each for each in settings.maps if each.method == "low_rank"), LOW_RANK)
    sums = pair.sums(data, source)
    maps = sums.low_rank(steps, bias=choice.bias, ridge=choice.penalty(sums))
    hits = [_hits(data.judging, mapping, *spaces) for mapping in maps]
    return _ladder(data, spaces, RANK, choice.method, steps, hits, settings.judge)


def anchors_ladders(
    pair: Pair,
    data: AlignmentSet,
    sources: Sequence[str],
    choice: MapChoice,
    settings: AlignmentSettings,
) -> list[Ladder]:
    """Rank-1 of a map by the paired images of its fit, from each source.

    The images are the first so many of a random order, the mean over several orders: each step's
    images are among the next one's. A λ that is chosen is chosen on the first order, for each step.
    """
    steps = steps_up_to(len(data.fit), settings.ladders.anchors, FIRST_ANCHORS)
    hits: dict[str, list[list[Tensor]]] = {source: [[] for _ in steps] for source in sources}
    chosen: dict[tuple[str, int], MapChoice] = {}
    for subset in range(settings.ladders.subsets):
        for index, sums in enumerate(_nested(pair, data, steps, settings.seed + subset)):
            if subset and steps[index] == len(data.fit):
                continue  # all images are the same ones in every order
            for source in sources:
                directed = sums if source == pair.first else sums.reversed()
                mapping = chosen.get((source, index), choice).solve(directed)
                chosen[source, index] = replace(choice, ridge=mapping.ridge)
                found = _hits(data.judging, mapping, *pair.spaces(data, source))
                hits[source][index].append(found)
    return [
        _ladder(
            data,
            pair.spaces(data, source),
            ANCHORS,
            choice.name,
            steps,
            [torch.stack(each).mean(dim=0) for each in hits[source]],
            settings.judge,
        )
        for source in sources
    ]


def steps_up_to(largest: int, given: Sequence[int] | None, first: int) -> tuple[int, ...]:
    """Steps of a curve: those given that are not above the largest, or doubling ones and it.

    Example:
        >>> steps_up_to(100, None, 16), steps_up_to(100, [10, 50, 200], 16)
        ((16, 32, 64, 100), (10, 50))
    """
    if given is not None:
        return tuple(step for step in sorted(set(given)) if step <= largest) or (largest,)
    steps = []
    while first < largest:
        steps.append(first)
        first *= 2
    return (*steps, largest)


def _nested(
    pair: Pair, data: AlignmentSet, steps: Sequence[int], seed: int
) -> Iterator[AffineAccumulator]:
    """Sums of the first so many images of a random order, from the first model to the second."""
    order = torch.randperm(len(data.fit), generator=torch.Generator().manual_seed(seed))
    rows, groups = data.fit[order], data.groups[order]
    x, y = pair.spaces(data, pair.first)
    sums, taken = AffineAccumulator(), 0
    for step in steps:
        part = slice(taken, step)
        sums.update(x.points[rows[part]], y.points[rows[part]], groups[part])
        taken = step
        yield sums


def _hits(judging: Judging, mapping: AffineMap, source: Space, target: Space) -> Tensor:
    """Whether each probe finds its person first, (P,)."""
    mapped = mapping(judging.of(source))
    return (judging.judge.ranks(mapped, judging.of(target), target.distance) == 1).double()


def _ladder(
    data: AlignmentSet,
    spaces: tuple[Space, Space],
    kind: str,
    method: str,
    steps: tuple[int, ...],
    hits: Sequence[Tensor],
    settings: JudgeSettings,
) -> Ladder:
    judging = data.judging
    people = judging.labels[judging.judge.probes]
    return Ladder(
        spaces[0].model,
        spaces[1].model,
        data.name,
        kind,
        method,
        steps,
        tuple(
            share_interval(
                each.cpu(),
                people,
                resamples=settings.resamples,
                level=settings.level,
                seed=settings.seed,
            )
            for each in hits
        ),
        judging.native(spaces[1]).value("rank1") or 0.0,
        judging.unaligned(*spaces).value("rank1") or 0.0,
    )
