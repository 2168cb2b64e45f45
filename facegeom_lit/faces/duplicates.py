"""The same image twice: on the training and on the judging side it would be judged by memory."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from tqdm import tqdm

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet

SHOWN = 10
"""How many of many a message names."""


def find_duplicates(first: FaceSet, second: FaceSet) -> list[tuple[int, int]]:
    """Find the images that stand in both sets.

    Encoded bytes are compared, by their hash: as fast as the images can be read, and one image
    saved twice in different ways is not found. A progress bar shows where that takes long.

    Returns:
        Row in `first` of each image that is in `second` too, and its first row there.

    Raises:
        FaceGeomError: When an image cannot be read.
    """
    rows: dict[bytes, int] = {}
    for row, digest in enumerate(_digests(second)):
        rows.setdefault(digest, row)
    found = ((row, rows.get(digest)) for row, digest in enumerate(_digests(first)))
    return [(row, other) for row, other in found if other is not None]


def refuse_shared_people(train: FaceSet, judge: FaceSet, name: str) -> None:
    """Refuse people who are both trained on and judged.

    Args:
        train: Training faces.
        judge: Judging faces.
        name: What the judging set is called.

    Raises:
        FaceGeomError: With the number of them, and the first ten.
    """
    if people := sorted(set(train.classes) & set(judge.classes)):
        raise FaceGeomError(
            f"{len(people)} identities are both trained on and judged in {name!r}: "
            f"{', '.join(_first(people))}. Split by identity."
        )


def refuse_shared_images(train: FaceSet, judge: FaceSet) -> None:
    """Refuse images that stand under a training and under a judging identity.

    Raises:
        FaceGeomError: With the number of them, and the first ten.
    """
    if images := find_duplicates(train, judge):
        named = [f"{train.name_of(row)} = {judge.name_of(other)}" for row, other in images]
        raise FaceGeomError(
            f"{len(images)} training images stand under a judging identity too:\n"
            + "\n".join(_first(named))
            + "\nRemove one of each, or give both images one identity."
        )


def _digests(faces: FaceSet) -> Iterator[bytes]:
    """Yield a hash of the encoded bytes of each image."""
    rows = range(len(faces))
    for row in tqdm(rows, "looking for duplicates", unit="image", delay=5, leave=False):
        yield blake2b(faces.encoded(row), digest_size=16).digest()


def _first(names: list[str]) -> list[str]:
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return names[:SHOWN] + more
