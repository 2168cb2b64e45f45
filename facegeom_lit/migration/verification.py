"""Whether a map keeps what its card promised, on people who were no anchors."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.migration.card import Figures, MapCard, Side
from facegeom_lit.migration.checking import check_looks
from facegeom_lit.migration.migration_map import MigrationMap
from facegeom_lit.migration.names import hashed_names
from facegeom_lit.migration.pairs import PairedEmbeddings, people_of
from facegeom_lit.migration.ways import Judging, measure_ways


@dataclass(frozen=True)
class Verification:
    """What a map is worth on new people.

    Attributes:
        measured: Way → figures, see `card.WAYS`.
        lost: Unmapped and mapped → what they lose against re-enrolling, paired over people.
        recovered: Share of rank-1 that the map recovers.
        images: Images that judged.
        people: People that judged.
        left_out: People who were left out since they were anchors.
    """

    measured: dict[str, Figures]
    lost: dict[str, Figures]
    recovered: Interval
    images: int
    people: int
    left_out: int


def verify_map(
    migration: MigrationMap, pairs: PairedEmbeddings, judging: Judging, *, leave_out: bool = True
) -> Verification:
    """Measure all four ways on held-out people.

    Args:
        migration: The map.
        pairs: The same images embedded by the old and the new model.
        judging: How it is judged.
        leave_out: Leave out people who have the name of an anchor. False: equal names are other
            people, as where both sets number theirs.

    Raises:
        FaceGeomError: When the models are others, or too few people are left.
    """
    card = migration.card
    check_sides(card, pairs.sides)
    kept, left_out = pairs, 0
    if leave_out:
        known = torch.tensor([not (hashed_names([n]) & migration.people) for n in pairs.people])
        kept = pairs.select(known[pairs.labels])
        left_out = len(people_of(pairs)) - len(people_of(kept))
        if not len(kept):
            raise FaceGeomError(
                f"All {left_out} people were anchors of the map, on whom it looks better than it "
                "is. Verify it on others; or say anchor_names=keep where only their names are the "
                "same."
            )
    check_looks(kept.old, migration.profile, card, "The old model's array")
    ways = measure_ways(judging.judge(kept), kept, migration.mapping)
    people = len(people_of(kept))
    return Verification(ways.measured, ways.lost, ways.recovered, len(kept), people, left_out)


def against_promise(card: MapCard, way: str, name: str, found: Interval) -> str:
    """Say where a figure lies to the interval that the card gives: inside, above or below.

    Returns:
        The word; empty where the card or the measurement has no such figure.
    """
    promised = card.expected[way].get(name)
    if promised is None or promised.low is None or promised.high is None or found.value is None:
        return ""
    if found.value < promised.low:
        return "below"
    return "above" if found.value > promised.high else "inside"


def check_sides(card: MapCard, sides: tuple[Side, Side]) -> None:
    """Refuse an old and a new model that are not those of a map.

    Raises:
        FaceGeomError: Which says which of them is another.
    """
    for key, given, wanted in zip(("old", "new"), sides, (card.old, card.new), strict=True):
        _check_side(key, given, wanted)


def _check_side(key: str, given: Side, wanted: Side) -> None:
    if given.known and wanted.known and given.hash != wanted.hash:
        raise FaceGeomError(
            f"{key}: {given.name!r} is the model {given.hash[:16]}…, the map is of "
            f"{wanted.name!r}, {wanted.hash[:16]}…. Give that model."
        )
    if (given.dimension, given.distance) != (wanted.dimension, wanted.distance):
        raise FaceGeomError(
            f"{key}: {given.name!r} has {given.dimension} dimensions compared by the "
            f"{given.distance} distance, the map is of {wanted.dimension} compared by the "
            f"{wanted.distance} distance. Give that model."
        )
