"""Landmarks that are known already, in a table."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.arrays import read_arrays
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.crop import mirrored_order
from facegeom_lit.faces.detectors.detection import Detection, file_hash
from facegeom_lit.faces.lists import Table

POINT_COLUMNS = tuple(f"{axis}{point}" for point in range(1, 6) for axis in "xy")
BOX_COLUMNS = ("left", "top", "right", "bottom")
_PARTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
_NAMED_COLUMNS = tuple(f"{part}_{axis}" for part in _PARTS for axis in "xy")  # CelebA's names

_Row = tuple[str, str, Sequence[float], float, Sequence[float] | None]
"""Where it stands, path, ten coordinates, score, box."""


@dataclass(frozen=True)
class LandmarkTable:
    """Faces listed in a file; a photo that it does not list has no face.

    Args:
        table: One of

            - `.csv`: `path` and `x1, y1, …, x5, y5` (or CelebA's `lefteye_x, lefteye_y, …`), and
              if you like `score` and `left, top, right, bottom`. Empty coordinates: no face. A
              `crop.csv` of an earlier `facegeom crop` is such a table;
            - `.npz`: `image` (paths) and `landmarks` (N, 5, 2), and if you like `score`;
            - `.txt`: a path, ten coordinates and, maybe, a score in each line, separated by
              spaces: InsightFace's `ijbc_name_5pts_score.txt`, CelebA's
              `list_landmarks_align_celeba.txt` (its two heading lines are left out).

    Paths are relative to the folder of the photos. Several lines of one photo are several faces.
    Left means the viewer's left, as in all of these sets.
    """

    table: str

    def facts(self) -> dict[str, Any]:
        """Return name and the file's hash."""
        path = Path(self.table).expanduser()
        return {"name": "landmarks", "table": path.name, "hash": file_hash(path)}

    def check(self, photos: Sequence[str]) -> None:
        """Read the table and compare its paths with those of the photos.

        Raises:
            FaceGeomError: When a line is wrong, or none of the photos is listed.
        """
        listed = _read(self.table)
        absent = sorted(set(listed) - set(photos))
        if len(absent) == len(listed):
            raise FaceGeomError(
                f"None of the {len(listed)} photos that {self.table} lists is there, e.g. "
                f"{absent[0]!r}; a photo that is there is {photos[0]!r}. Paths must be relative to "
                "the folder `photos`."
            )
        if absent:
            warnings.warn(
                f"{len(absent)} of {len(listed)} photos that {self.table} lists are not there, "
                f"e.g. {absent[0]}",
                stacklevel=2,
            )

    def detect(self, image: NDArray[np.uint8], path: str = "") -> list[Detection]:
        """Return the faces listed for `path`, the most confident first."""
        return sorted(_read(self.table).get(path, []), key=lambda face: -face.score)


@lru_cache(1)
def _read(table: str) -> dict[str, list[Detection]]:
    path = Path(table).expanduser()
    readers = {".csv": _csv_rows, ".npz": _npz_rows, ".txt": _text_rows}
    if path.suffix not in readers:
        raise FaceGeomError(f"detector.table must be a .csv, .npz or .txt file, got {table!r}.")
    if not path.is_file():
        raise FaceGeomError(f"The table of landmarks {path} does not exist. Set detector.table.")
    faces: dict[str, list[Detection]] = {}
    swapped: list[str] = []
    for where, name, numbers, score, box in readers[path.suffix](path):
        points = np.array(numbers, dtype=np.float64).reshape(5, 2)
        if not np.isfinite(points).all():
            raise FaceGeomError(f"{where}: the coordinates must be finite numbers.")
        if not np.ptp(points, axis=0).any():  # 0,0,0,0,… of a detector that found no face
            raise FaceGeomError(
                f"{where}: all five points are at the same place. Leave the coordinates empty, or "
                "the line out, where there is no face."
            )
        if mirrored_order(points):
            swapped.append(where)
        sides = box or [*points.min(0), *points.max(0)]
        found = Detection(np.array(sides, dtype=np.float64), score, points)
        faces.setdefault(name.replace("\\", "/").removeprefix("./"), []).append(found)
    if swapped:
        raise FaceGeomError(
            f"{swapped[0]}: left and right are swapped (so in {len(swapped)} lines). The first eye "
            "and mouth corner must be those on the viewer's left: swap points 1 with 2 and 4 with "
            "5, or mirror the photos that were mirrored."
        )
    if not faces:
        raise FaceGeomError(f"{path} lists no face.")
    return faces


def _csv_rows(path: Path) -> Iterable[_Row]:
    table = Table(path)
    there = set(table.columns)
    columns = next((c for c in (POINT_COLUMNS, _NAMED_COLUMNS) if there >= {"path", *c}), None)
    if columns is None:
        missing = sorted({"path", *POINT_COLUMNS} - there)
        raise FaceGeomError(
            f"{path} has no column {missing[0]!r}. It needs path and {', '.join(POINT_COLUMNS)} "
            f"(or {_NAMED_COLUMNS[0]}, {_NAMED_COLUMNS[1]}, …), separated by commas."
        )
    for line, record in table:
        where = f"{path}, line {line}"
        if not record["path"]:
            raise FaceGeomError(f"{where}: the path is empty.")
        if not any(record[name] for name in columns):
            continue
        numbers = [_number(record[name], where) for name in columns]
        score = _number(record["score"], where) if record.get("score") else 1.0
        box = [_number(record[name], where) for name in BOX_COLUMNS if record.get(name)]
        yield where, record["path"], numbers, score, box if len(box) == 4 else None


def _text_rows(path: Path) -> Iterable[_Row]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            where, words = f"{path}, line {number}", line.split()
            heading = number <= 2 and (len(words) == 1 or "lefteye_x" in words)
            if not words or heading:
                continue
            if len(words) not in (11, 12):
                raise FaceGeomError(
                    f"{where} has {len(words)} words; expected a path, ten coordinates and, maybe, "
                    "a score, separated by spaces."
                )
            numbers = [_number(word, where) for word in words[1:]]
            yield where, words[0], numbers[:10], numbers[10] if len(numbers) > 10 else 1.0, None


def _npz_rows(path: Path) -> Iterable[_Row]:
    arrays = read_arrays(path)
    try:
        images, points = arrays["image"], arrays["landmarks"]
    except KeyError as error:
        raise FaceGeomError(f"{path} has no array {error}: it needs image and landmarks.") from None
    scores = arrays.get("score", np.ones(images.shape))
    if (
        images.ndim != 1
        or images.dtype.kind != "U"
        or points.shape != (len(images), 5, 2)
        or points.dtype.kind not in "fiu"
        or scores.shape != images.shape
        or scores.dtype.kind not in "fiu"
        or not np.isfinite(scores).all()
    ):
        raise FaceGeomError(
            f"{path}: image must be N texts, landmarks numbers (N, 5, 2), and score, if it is "
            f"there, N finite numbers; they are {images.dtype} {images.shape}, {points.dtype} "
            f"{points.shape} and {scores.dtype} {scores.shape}."
        )
    for row, (name, five, score) in enumerate(zip(images.tolist(), points, scores, strict=True)):
        yield f"{path}, row {row}", name, five.ravel().tolist(), float(score), None


def _number(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FaceGeomError(f"{where}: {text!r} is not a finite number.")
    return value
