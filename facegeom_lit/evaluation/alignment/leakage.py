"""Attributes that a probe reads from templates: native ones, mapped ones, and across (GEOMETRY §3).

All probes are trained on templates of the people who fit maps and judged on templates of the people
who judge, the same images for each: what differs between them is the templates alone.
"""

from __future__ import annotations

from torch import Tensor

from facegeom_lit.evaluation.alignment.attribute_sides import FEWEST_PEOPLE, Sides, readable
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import Leakage
from facegeom_lit.evaluation.alignment.section_settings import chosen_map
from facegeom_lit.evaluation.alignment.sets import AlignmentSet, Space
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings
from facegeom_lit.geometry.macroscale.linear_probe import (
    LinearProbe,
    balanced_accuracy,
    train_probe,
)
from facegeom_lit.geometry.statistics import Interval

CHANCE = 0.5
"""Balanced accuracy of a probe that knows nothing, whatever share of people has an attribute: what
attributes that are dealt anew among people give on average."""


def leakage(pair: Pair, settings: AlignmentSettings) -> list[Leakage]:
    """What probes read of each attribute, both ways, on each set.

    `crossed` is what somebody reads who has a probe for the target, such as one trained on
    templates of their own, and gets the source's templates through a map.
    """
    wanted = settings.leakage
    found = []
    for data in pair.sets:
        directions = [d for d in pair.directions if wanted.pairs is None or d in wanted.pairs]
        if directions and wanted.attributes not in ((), 0):
            for name, sides in readable(data, wanted.attributes)[0].items():
                found += [
                    _read(pair, data, source, name, sides, settings) for source, _ in directions
                ]
    return found


def leakage_notes(data: AlignmentSet, settings: AlignmentSettings) -> list[str]:
    """Which attributes of a set are read, and which of too few people are not."""
    wanted = settings.leakage.attributes
    if wanted in ((), 0) or data.labelled is None:
        return []
    taken, few = readable(data, wanted)
    notes = []
    if isinstance(wanted, int) and len(taken) == wanted:
        notes.append(
            f"{data.name}: probes read {len(taken)} of {len(data.labelled.values)} attributes, the "
            "most evenly divided ones"
        )
    if few:
        listed = ", ".join(f"{name} ({people})" for name, people in few.items())
        notes.append(
            f"{data.name}: no probe reads attributes with or without which fewer than "
            f"{FEWEST_PEOPLE} people fit or judge (how many do): {listed}"
        )
    return notes


def _read(
    pair: Pair,
    data: AlignmentSet,
    source: str,
    name: str,
    sides: Sides,
    settings: AlignmentSettings,
) -> Leakage:
    """One attribute, from source to target."""
    choice = chosen_map(settings.maps, settings.leakage.map)
    x, y = pair.spaces(data, source)
    mapping = pair.map(data, source, choice)
    training = mapping(x.points[data.fit[sides.fit.images]])
    judging = mapping(x.points[data.judging.rows[sides.judge.images]])
    mapped_probe = train_probe(training, sides.fit.positive, distance=y.distance)
    _, source_native = _native(data, x, name, sides, settings)
    target_probe, target_native = _native(data, y, name, sides, settings)
    return Leakage(
        source,
        pair.other(source),
        data.name,
        choice.name,
        name,
        source_native=source_native,
        target_native=target_native,
        mapped=_accuracy(mapped_probe, judging, sides, settings),
        crossed=_accuracy(target_probe, judging, sides, settings),
        chance=CHANCE,
    )


def _native(
    data: AlignmentSet, space: Space, name: str, sides: Sides, settings: AlignmentSettings
) -> tuple[LinearProbe, Interval]:
    """A probe of a model's own templates, and how well it reads; one for all its pairs."""

    def make() -> tuple[LinearProbe, Interval]:
        training = space.points[data.fit[sides.fit.images]]
        probe = train_probe(training, sides.fit.positive, distance=space.distance)
        judging = space.points[data.judging.rows[sides.judge.images]]
        return probe, _accuracy(probe, judging, sides, settings)

    return data.once(("probe", space.hash, name, settings.judge), make)


def _accuracy(
    probe: LinearProbe, templates: Tensor, sides: Sides, settings: AlignmentSettings
) -> Interval:
    return balanced_accuracy(
        probe(templates).cpu(),
        sides.judge.positive,
        sides.judge.identity,
        resamples=settings.judge.resamples,
        level=settings.judge.level,
        seed=settings.seed,
    )
