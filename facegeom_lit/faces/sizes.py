"""Whether images are what face models take: readable, aligned crops of one size."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode
from facegeom_lit.faces.dataset import CROP_SIZE
from facegeom_lit.faces.face_set import FaceSet

ALL_BELOW = 100_000
"""Sets of up to so many images are decoded whole: a minute at most."""

SAMPLE = 2_000
"""Images decoded of a larger set."""

NOTES = "notes"
"""Key of a face set's card: what was found while it was read."""


def check_crops(faces: FaceSet) -> FaceSet:
    """Decode images once, so that a broken or odd-sized one is found before the work.

    All images of a set of up to `ALL_BELOW`; of a larger one `SAMPLE` evenly spread ones, with a
    note in its card (the others are checked when they are used).

    Raises:
        FaceGeomError: When an image cannot be read, or has another size than `CROP_SIZE`.
    """
    rows = np.arange(len(faces))
    if len(faces) > ALL_BELOW:
        rows = np.linspace(0, len(faces) - 1, SAMPLE).round().astype(np.int64)
        note = f"{SAMPLE} of {len(faces)} images were checked beforehand, evenly spread"
        faces.card[NOTES] = [*faces.card.get(NOTES, []), note]
    sizes: list[tuple[int, ...]] = []
    with ThreadPoolExecutor() as pool:
        for part in np.array_split(rows, -(-len(rows) // 1024)):  # not a future for every row
            # Read by this thread alone, since not every store can be read by several at once.
            encoded = [faces.encoded(row) for row in part.tolist()]
            sizes += pool.map(_size, encoded, map(faces.name_of, part.tolist()))
    wrong = [(row, size) for row, size in zip(rows, sizes, strict=True) if size != CROP_SIZE]
    if wrong:
        row, (height, width) = wrong[0]
        wanted = f"{CROP_SIZE[0]}×{CROP_SIZE[1]}"
        raise FaceGeomError(
            f"{len(wrong)} of {len(rows)} images are not {wanted} pixels; the first is "
            f"{faces.name_of(int(row))} with {height}×{width}. Faces must be aligned crops of "
            f"{wanted}: align them with `facegeom crop`."
        )
    return faces


def _size(data: bytes, name: str) -> tuple[int, ...]:
    return decode(data, name).shape[:2]
