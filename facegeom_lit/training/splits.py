"""Who trains and who judges: people are on one side only, and so is each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.duplicates import refuse_shared_images, refuse_shared_people
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.identities import check_identities, drop_small_identities


class Sides(NamedTuple):
    """Training and judging faces, and what a reader of the results must know of the split."""

    train: FaceSet
    judge: FaceSet
    notes: tuple[str, ...] = ()


def enough_images(faces: FaceSet, minimum: int | None) -> FaceSet:
    """Leave out identities with fewer images than `minimum`; None refuses single images.

    Raises:
        FaceGeomError: When `minimum` is no number of images, or images are too few.
    """
    if minimum is not None:
        if not isinstance(minimum, int) or minimum < 1:
            raise FaceGeomError(
                f"data.min_images must be a whole number from 1 on, or null, got {minimum!r}."
            )
        return drop_small_identities(faces, minimum)
    check_identities(faces, 2)
    return faces


def split_identities(faces: FaceSet, judge_every: int, judge_people: int | None = None) -> Sides:
    """Split by identity: of the sorted people every `judge_every`-th one judges.

    Args:
        faces: The faces.
        judge_every: At least 2.
        judge_people: At most so many judge, the first of them; None: all.

    Raises:
        FaceGeomError: When one side would hold fewer than two people, or an image stands on both.
    """
    judges = faces.classes[judge_every - 1 :: judge_every] if judge_every > 1 else []
    judges = judges[:judge_people]
    rest = sorted(set(faces.classes) - set(judges))
    if min(len(judges), len(rest)) < 2:
        raise FaceGeomError(
            f"{len(faces.classes)} identities with data.judge_every={judge_every} leave "
            f"{len(rest)} to train and {len(judges)} to judge; each side needs at least 2. Is "
            "data.root the folder that holds a folder for each person?"
        )
    sides = Sides(faces.where(identities=rest), faces.where(identities=judges))
    refuse_shared_images(sides.train, sides.judge)
    return sides


def split_by_column(
    faces: FaceSet, splits: Sequence[str], min_images: int | None, judge_people: int
) -> Sides:
    """Split as the faces' own column `split` says, e.g. by an official partition.

    Args:
        faces: The faces.
        splits: The split that trains and the one that judges.
        min_images: As of `enough_images`, on each side.
        judge_people: At most so many judge, the first of the sorted ones.

    Raises:
        FaceGeomError: When there is no such split, or a person or an image stands on both sides.
    """
    if not isinstance(splits, Sequence) or isinstance(splits, str) or len(splits) != 2:
        raise FaceGeomError(
            f"data.splits must name the split that trains and the one that judges, e.g. "
            f"[train, test], got {splits}."
        )
    splits = [str(name) for name in splits]  # a split may be called 0
    train, judge = (enough_images(faces.where(split=name), min_images) for name in splits)
    refuse_shared_people(train, judge, splits[1])
    chosen = judge.where(identities=judge.classes[:judge_people])
    refuse_shared_images(train, chosen)
    notes = [f"split: {splits[0]} trains, {splits[1]} judges"]
    if left_out := len(judge.classes) - len(chosen.classes):
        notes.append(f"split: {left_out} people of {splits[1]} are left out, see data.judge_people")
    return Sides(train, chosen, tuple(notes))


def first_images(faces: FaceSet, people: int, images: int) -> FaceSet:
    """Keep the first `images` images of each of the first `people` identities."""
    room = dict.fromkeys(faces.classes[:people], images)
    chosen = []
    for row, name in enumerate(faces.identities):
        if room.get(name, 0) > 0:
            room[name] -= 1
            chosen.append(row)
    return faces.select(chosen)
