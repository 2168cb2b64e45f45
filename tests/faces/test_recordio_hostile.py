"""Damaged and forged RecordIO files: each gives one clear error."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from faces.test_recordio import face_set, folder

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.recordio import read_recordio
from facegeom_lit.faces.recordio_writer import write_recordio

__all__ = ["folder"]

Damage = Callable[[Path], object]


def rewrite(name: str, change: Callable[[bytes], bytes]) -> Damage:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def without_index(change: Callable[[bytes], bytes]) -> Damage:
    def damage(folder: Path) -> None:
        (folder / "train.idx").unlink()
        rewrite("train.rec", change)(folder)

    return damage


def first_image_label(label: float) -> Callable[[bytes], bytes]:
    return lambda data: data[:12] + struct.pack("<f", label) + data[16:]


def of_another_file(folder: Path) -> None:
    write_recordio(face_set(12, 3), folder / "other")
    (folder / "other" / "train.idx").replace(folder / "train.idx")


def people_record(start: float, end: float) -> Callable[[bytes], bytes]:
    """Change what the record of the first person says."""

    def change(data: bytes) -> bytes:
        at = len(data) - 3 * 40 + 32  # three records of people, 40 bytes each
        return data[:at] + struct.pack("<2f", start, end) + data[at + 8 :]

    return change


HOSTILE: dict[str, tuple[Damage, str]] = {
    "cut short": (rewrite("train.rec", lambda d: d[:-100]), "cut short: it places|is cut short"),
    "cut by a byte": (rewrite("train.rec", lambda d: d[:-1]), "is cut short"),
    "cut in half": (rewrite("train.rec", lambda d: d[: len(d) // 2]), "or that is cut short"),
    "cut, no index": (without_index(lambda d: d[:-100]), r"train\.rec is cut short"),
    "something behind": (rewrite("train.rec", lambda d: d + bytes(64)), "does not belong to"),
    "behind, no index": (without_index(lambda d: d + bytes(64)), "has no record at byte"),
    "empty": (without_index(lambda d: b""), "it is empty"),
    "garbage": (without_index(lambda d: b"\x13\x37" * 5000), "has no record at byte 0"),
    "zip": (without_index(lambda d: b"PK\3\4" + d), "has no record at byte 0"),
    "index of another file": (of_another_file, "does not belong|has no record at byte"),
    "index of words": (rewrite("train.idx", lambda d: b"one\ttwo\n"), "is no index of a RecordIO"),
    "index of pickles": (rewrite("train.idx", lambda d: b"\x80\x04cos\nsystem\n."), "is no index"),
    "empty index": (rewrite("train.idx", lambda d: b""), "is no index of a RecordIO file"),
    "negative index": (
        rewrite("train.idx", lambda d: d.replace(b"1\t0\n", b"1\t-8\n", 1)),
        "places records from byte -8",
    ),
    "key twice": (
        rewrite("train.idx", lambda d: d.replace(b"2\t", b"1\t", 1)),
        "a key is missing or comes twice",
    ),
    "line missing": (
        rewrite("train.idx", lambda d: b"".join(d.splitlines(keepends=True)[1:])),
        "places records from byte",
    ),
    "line missing inside": (
        rewrite(
            "train.idx",
            lambda d: b"".join(d.splitlines(keepends=True)[:3] + d.splitlines(keepends=True)[4:]),
        ),
        r"has 15 keys up to 15",
    ),
    "label is NaN": (without_index(first_image_label(float("nan"))), "label nan, which is no"),
    "label is no number of a person": (without_index(first_image_label(0.5)), "label 0.5, which"),
    "label is negative": (without_index(first_image_label(-1)), r"label -1\.0, which is no"),
    "label is out of range": (without_index(first_image_label(7)), "label 7, but property .* 3 cl"),
    "label is huge": (without_index(first_image_label(3e9)), r"label 3000000000\.0, which"),
    "a person's label differs": (
        rewrite("train.rec", first_image_label(1)),
        r"says that images 1 … 4 are of one person, but their labels differ",
    ),
    "people overlap": (
        rewrite("train.rec", people_record(1, 6)),
        "do not share out the images 1 … 12",
    ),
    "people are nowhere": (
        rewrite("train.rec", people_record(float("nan"), 1e30)),
        "do not share out the images 1 … 12",
    ),
    "many labels claimed": (
        without_index(lambda d: d[:8] + struct.pack("<I", 2**31) + d[12:]),
        "is no image record of MXNet",
    ),
    "length claimed": (
        without_index(lambda d: d[:4] + struct.pack("<I", 2**29 - 1) + d[8:]),
        "goes on after its",
    ),
    "parts without an end": (
        without_index(
            lambda d: d[:4] + struct.pack("<I", 1 << 29 | struct.unpack_from("<I", d, 4)[0]) + d[8:]
        ),
        "parts of records are missing",
    ),
    "property of words": (rewrite("property", lambda d: b"many\n"), "must start with a line"),
    "property of other size": (rewrite("property", lambda d: b"3,96,112\n"), "it says 96×112"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(folder: Path, name: str) -> None:
    damage, message = HOSTILE[name]
    damage(folder)
    with pytest.raises(FaceGeomError, match=message):
        read_recordio(folder)


def test_what_is_found_while_reading(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "train.rec").read_bytes())
    offsets = sorted(int(line.split()[1]) for line in (folder / "train.idx").open())
    data[offsets[1] : offsets[1] + 4] = b"what"  # the second of four images of the first person
    data[offsets[2] + 12 : offsets[2] + 16] = struct.pack("<f", 2)
    data[offsets[5] + 500] ^= 255
    (folder / "train.rec").write_bytes(data)
    faces = read_recordio(folder)
    faces.image(0)
    with pytest.raises(FaceGeomError, match=rf"has no record at byte {offsets[1]}"):
        faces.image(1)
    with pytest.raises(FaceGeomError, match="has label 2, the records of people say 0"):
        faces.image(2)
    with pytest.raises(FaceGeomError, match="nowhere does not exist"):
        read_recordio(tmp_path / "nowhere")
