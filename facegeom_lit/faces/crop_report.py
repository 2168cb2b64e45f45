"""The report of a crop job: `crop.csv`, which is also what an interrupted job continues from."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import groupby
from pathlib import Path

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.cropping import Cropped
from facegeom_lit.faces.detectors.landmarks import BOX_COLUMNS, POINT_COLUMNS
from facegeom_lit.files import atomic_path

_NUMBERS = ("score", *BOX_COLUMNS, *POINT_COLUMNS)
_COLUMNS = ("path", "status", "faces", "crop", *_NUMBERS, "modified", "note")
_HEADING = ",".join(_COLUMNS) + "\n"


@dataclass(frozen=True, slots=True)
class PhotoRecord:
    """A photo that is done.

    Attributes:
        status: As of `Cropped`.
        faces: Number of faces found.
        crops: The files written.
        modified: When the photo was written, as of `Cropped`.
        text: Its lines in the file.
    """

    status: str
    faces: int
    crops: tuple[str, ...]
    modified: int
    text: str


class CropReport:
    """Lines of photos that are done, added as the work goes on, sorted at its end.

    A line stands in the file only after its crop does. What a killed process left half written at
    the end of the file is dropped when the file is opened.

    Args:
        path: The CSV file.

    Attributes:
        done: Record by photo.

    Raises:
        FaceGeomError: When the file is no such report.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        rows: Iterable[list[str]] = _read(path) if path.exists() else []
        self.done = {
            photo: _record([_whole(row, path) for row in group])
            for photo, group in groupby(rows, lambda row: row[0])
        }

    def add(self, photos: Iterable[Sequence[Cropped]]) -> None:
        """Append the lines of some photos, safely on the disk when this returns.

        Raises:
            OSError: When the file cannot be written.
        """
        records = {lines[0].path: _record([_row(line) for line in lines]) for lines in photos}
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write("".join(record.text for record in records.values()))
            file.flush()
            os.fsync(file.fileno())
        self.done |= records

    def write(self) -> None:
        """Write the whole file anew, sorted by photo.

        Raises:
            FaceGeomError: When it cannot be written.
        """
        with atomic_path(self.path) as temporary:
            lines = [self.done[photo].text for photo in sorted(self.done)]
            temporary.write_text("".join([_HEADING, *lines]), encoding="utf-8", newline="")

    def with_status(self, status: str) -> list[str]:
        """Return the photos of one status, sorted."""
        return sorted(photo for photo, record in self.done.items() if record.status == status)


def _row(line: Cropped) -> list[str]:
    numbers = [""] * len(_NUMBERS)
    if line.face is not None:
        places = [*line.face.box, *line.face.landmarks.ravel()]
        numbers = [f"{line.face.score:.4f}", *(f"{number:.3f}" for number in places)]
    note = " ".join(line.note.split())  # a line break here could end a torn line
    known = [line.path, line.status, str(line.faces), line.crop]
    return [*known, *numbers, str(line.modified), note]


def _record(rows: list[list[str]]) -> PhotoRecord:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    crops = tuple(row[3] for row in rows if row[3])
    return PhotoRecord(rows[0][1], int(rows[0][2]), crops, int(rows[0][-2]), text.getvalue())


def _read(path: Path) -> Iterator[list[str]]:
    """Yield the rows below the heading, one at a time: a set may have millions."""
    rows = _rows(path)
    if next(rows, list(_COLUMNS)) != list(_COLUMNS):
        raise FaceGeomError(
            f"{path} is no report of `facegeom crop`. Choose another output folder."
        )
    yield from rows


def _rows(path: Path) -> Iterator[list[str]]:
    """Yield whole lines; a torn one can only be the last."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        ended = file.read() == b"\n"
    with path.open(encoding="utf-8", errors="replace", newline="") as text:
        last: list[str] | None = None
        for row in csv.reader(text):
            if last is not None:
                yield last
            last = row
    if last is not None and ended and len(last) == len(_COLUMNS):
        yield last


def _whole(row: list[str], path: Path) -> list[str]:
    if len(row) != len(_COLUMNS) or not (row[2].isdecimal() and row[-2].isdecimal()):
        raise FaceGeomError(f"{path}: the line of {row[0]!r} is not as it was written. Delete it.")
    return row
