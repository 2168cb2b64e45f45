"""Writer of training sets in MXNet RecordIO files, in InsightFace's layout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode, portable
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder_writer import check_folder_names
from facegeom_lit.faces.record_file import (
    FIRST,
    FRAME,
    HEADER,
    LAST,
    LENGTH_BITS,
    MAGIC,
    MIDDLE,
    WHOLE,
    padded,
)
from facegeom_lit.faces.recordio import EXACT, IDX, LST, PROPERTY, REC
from facegeom_lit.files import new_folder

_MAGIC_BYTES = FRAME.pack(MAGIC, 0)[:4]


def write_recordio(faces: FaceSet, folder: str | Path) -> None:
    """Write `train.rec`, `train.idx`, `train.lst` and `property`, all or none of them.

    Images have the keys 1 … N, person after person, and the index of their person in
    `FaceSet.classes` as label; then come the header record, key 0, and a record for each person
    with the range of its keys. JPEG and PNG files are stored as they are, others as PNG; each is
    decoded once, so a broken one is found. People lose their names: `train.lst` keeps them, as
    folders of the paths.

    Args:
        faces: What to write; all images must have one size.
        folder: A new folder.

    Raises:
        FaceGeomError: When the folder is not new or cannot be written, an image is broken or has
            another size than the first, a person's name cannot stand in a path, or there are more
            than 2²⁴ images and people.
    """
    if len(faces) + len(faces.classes) > EXACT:
        raise FaceGeomError(
            f"{len(faces)} images of {len(faces.classes)} people do not fit into one RecordIO "
            f"file, which counts to {EXACT}. Write parts of the set, or a face set of Parquet "
            "shards."
        )
    check_folder_names(faces.classes)
    with new_folder(folder) as aside:
        with (
            (aside / REC).open("wb") as records,
            (aside / IDX).open("w", encoding="ascii") as index,
            (aside / LST).open("w", encoding="utf-8", newline="\n") as listed,
        ):

            def write(key: int, labels: float | NDArray[np.float32], image: bytes) -> None:
                index.write(f"{key}\t{records.tell()}\n")
                write_record(records, image_record(key, labels, image))

            labels = faces.labels.numpy()
            order = np.argsort(labels, kind="stable")
            size: tuple[int, ...] = ()
            rows = tqdm(order.tolist(), desc="write images", unit=" images", delay=1)
            for key, row in enumerate(rows, 1):
                data = faces.encoded(row)
                pixels = decode(data, faces.name_of(row))
                size = size or pixels.shape[:2]
                if pixels.shape[:2] != size:
                    raise FaceGeomError(
                        f"{faces.name_of(row)} has {pixels.shape[0]}×{pixels.shape[1]} pixels, "
                        f"images before it {size[0]}×{size[1]}; in a RecordIO file all have one "
                        "size. Align and crop the faces first."
                    )
                data, suffix = portable(data, pixels)
                write(key, float(labels[row]), data)
                who = faces.classes[labels[row]]
                listed.write(f"1\t{who}/{key:08d}{suffix}\t{labels[row]}\n")
            images, people = len(order) + 1, len(faces.classes)
            write(0, np.array([images, images + people], np.float32), b"")
            ends = 1 + np.cumsum(np.bincount(labels))
            for person, (start, end) in enumerate(zip([1, *ends[:-1]], ends, strict=True)):
                write(images + person, np.array([start, end], np.float32), b"")
        (aside / PROPERTY).write_text(f"{people},{size[0]},{size[1]}\n", encoding="ascii")


def image_record(key: int, labels: float | NDArray[np.float32], image: bytes) -> bytes:
    """Return the payload of an image record.

    Args:
        key: Its key in the index.
        labels: One number, or several.
        image: The image file's bytes.
    """
    if isinstance(labels, np.ndarray):
        return HEADER.pack(len(labels), 0, key, 0) + labels.astype("<f4").tobytes() + image
    return HEADER.pack(0, labels, key, 0) + image


def write_record(file: BinaryIO, payload: bytes) -> None:
    """Append a record, cut into parts where the payload holds the magic number.

    Raises:
        FaceGeomError: When it is too long for a RecordIO file.
    """
    if len(payload) >= 1 << LENGTH_BITS:
        raise FaceGeomError(f"A record of {len(payload)} bytes is too long for a RecordIO file.")
    starts = [0, *(place + 4 for place in _places_of_magic(payload))]
    ends = [*(start - 4 for start in starts[1:]), len(payload)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if len(starts) == 1:
            kind = WHOLE
        else:
            kind = FIRST if number == 0 else LAST if number == len(starts) - 1 else MIDDLE
        length = end - start
        file.write(FRAME.pack(MAGIC, kind << LENGTH_BITS | length))
        file.write(payload[start:end])
        file.write(bytes(padded(length) - length))


def _places_of_magic(payload: bytes) -> Iterator[int]:
    """Yield the multiples of 4 at which the payload holds the magic number."""
    place = payload.find(_MAGIC_BYTES)
    while place >= 0:
        if place % 4 == 0:
            yield place
            place += 3
        place = payload.find(_MAGIC_BYTES, place + 1)
