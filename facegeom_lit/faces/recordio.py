"""Reader of training sets in MXNet RecordIO files, as InsightFace publishes them.

`train.rec` holds the images; `train.idx`, where each record starts; `property`, "classes,height,
width". A header record with key 0 may say that images have the keys 1 … N, and one record for each
person after them which keys are theirs. Files without these, as im2rec makes them, are read too.
`train.lst` lists what the file was made of and is not needed.

Source: deepinsight/insightface, `recognition/arcface_torch/dataset.py` and `src/data/face2rec2.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv
from tqdm import tqdm

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.record_file import FIRST, FRAME, WHOLE, RecordFile, padded

REC, IDX, LST, PROPERTY = "train.rec", "train.idx", "train.lst", "property"
EXACT = 2**24
"""Labels are float32: whole numbers are exact up to here."""

_CHUNK = 2**16  # records read at once


class RecordImages:
    """The images of a RecordIO file.

    Args:
        file: The file.
        offsets: int64 (N,): where the record of each image starts.
        labels: float32 (N,): the label that each record must have.
    """

    def __init__(
        self, file: RecordFile, offsets: NDArray[np.int64], labels: NDArray[np.float32]
    ) -> None:
        self._file = file
        self._offsets = offsets
        self._labels = labels

    def read(self, row: int) -> bytes:
        """Return the encoded image of row `row`.

        Raises:
            FaceGeomError: When the record is damaged, or is of another person than expected.
        """
        offset = self._offsets.item(row)
        label, image = self._file.image(offset)
        if label != self._labels.item(row):
            raise FaceGeomError(
                f"{self._file.path}: the record of image {row}, at byte {offset}, has label "
                f"{label:g}, the records of people say {self._labels.item(row):g}. Make the file "
                "anew."
            )
        return image


class _Found(NamedTuple):
    """Image records in the order of the file: where they start, and their labels."""

    offsets: NDArray[np.int64]
    labels: NDArray[np.float32]


def read_recordio(path: str | Path) -> FaceSet:
    """Read a training set without mxnet, and without reading its images.

    With an `.idx` file and records of people only those records are read, and one image's header
    for each end of a person's range: each image's own header is compared when it is read. Else all
    headers are read, behind a progress bar.

    Args:
        path: The folder with `train.rec`, or a `.rec` file.

    Returns:
        The set in the order of the file. People are called by their label, with zeros in front,
        so that `FaceSet.classes` has the order of the labels.

    Raises:
        FaceGeomError: When the file is missing, cut short or damaged, belongs to another `.idx`
            or `property` file, or holds a label that is no person's number.
    """
    path = Path(path).expanduser()
    file = RecordFile(path / REC if path.is_dir() else path)
    if not file.path.is_file():
        raise FaceGeomError(
            f"{file.path} does not exist. Name the folder of {REC}, or a .rec file."
        )
    index = file.path.with_suffix(".idx")
    found = _read_indexed(file, index) if index.is_file() else _read_headers(file, _scan(file))
    if not len(found.offsets):
        raise FaceGeomError(f"{file.path} holds no image.")
    labels = _checked_labels(file.path, found)
    classes, size = _read_property(file.path.with_name(PROPERTY))
    people = int(labels.max()) + 1
    if classes is not None and people > classes:
        row = int(labels.argmax())
        raise FaceGeomError(
            f"{file.path}: image {row} has label {people - 1}, but {PROPERTY} beside it says "
            f"{classes} classes. Correct {PROPERTY}, or remove it."
        )
    width = len(str((classes or people) - 1))
    known, number = np.unique(labels, return_inverse=True)
    names = [f"{label:0{width}d}" for label in known.tolist()]
    place = path if path.is_dir() else file.path
    faces = FaceSet.from_store(RecordImages(file, *found), number, names, place)
    if size is not None and (shape := faces.image(0).shape[:2]) != size:
        raise FaceGeomError(
            f"{file.path}: the first image has {shape[0]}×{shape[1]} pixels, but {PROPERTY} beside "
            f"it says {size[0]}×{size[1]}. Correct {PROPERTY}, or remove it."
        )
    return faces


def _checked_labels(path: Path, found: _Found) -> NDArray[np.int32]:
    """Return the labels as whole numbers.

    Raises:
        FaceGeomError: When one is none.
    """
    with np.errstate(invalid="ignore"):
        wrong = ~((found.labels >= 0) & (found.labels <= EXACT) & (found.labels % 1 == 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise FaceGeomError(
            f"{path}: image {row}, at byte {found.offsets[row]}, has label {found.labels[row]}, "
            f"which is no person's number (a whole number up to {EXACT}). {int(wrong.sum())} of "
            f"{len(wrong)} images are so. Make the file anew."
        )
    return found.labels.astype(np.int32)


def _read_property(path: Path) -> tuple[int | None, tuple[int, int] | None]:
    """Return the number of classes and the images' height and width, if there is such a file.

    Raises:
        FaceGeomError: When it says something else.
    """
    if not path.is_file():
        return None, None
    try:
        line = path.read_text(encoding="utf-8").split("\n", 1)[0]
        classes, height, width = map(int, line.split(","))
    except ValueError:
        classes = height = width = 0
    if min(classes, height, width) < 1:
        raise FaceGeomError(
            f"{path} must start with a line 'classes,height,width', e.g. '85742,112,112'. Correct "
            "it, or remove it."
        )
    return classes, (height, width)


def _read_indexed(file: RecordFile, path: Path) -> _Found:
    """Find the image records with an index.

    Raises:
        FaceGeomError: When index and file do not belong together.
    """
    keys, offsets = _read_index(path)
    size = len(file.data)
    last = int(offsets.max(initial=-1))
    if offsets.min(initial=size) != 0 or (offsets % 4).any() or last + FRAME.size > size:
        raise FaceGeomError(
            f"{path} does not belong to {file.path} ({size} bytes), or that is cut short: it "
            f"places records from byte {offsets.min(initial=size)} to byte {last}. Get both anew, "
            f"or remove {path.name}."
        )
    if file.end(last) != size:
        raise FaceGeomError(
            f"{path} does not belong to {file.path}: the last record that it knows ends at byte "
            f"{file.end(last)} of {size}. Get both anew, or remove {path.name}."
        )
    header = np.flatnonzero(keys == 0)
    if len(header):
        head = file.heads(offsets[header])
        if head.flag[0] >= 2 and not head.image[0]:
            first, stop = _whole(head.several[0]).tolist()
            images = _by_person(file, keys, offsets, first, stop)
            if images is not None:
                return images
    in_order = np.sort(offsets)
    return _read_headers(file, np.array_split(in_order, -(-len(in_order) // _CHUNK)))


def _read_index(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return keys and offsets.

    Raises:
        FaceGeomError: When a line is no key and byte, or a key or a byte comes twice.
    """
    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=["key", "offset"]),
            csv.ParseOptions(delimiter="\t", quote_char=False),
            csv.ConvertOptions(column_types={"key": pa.int64(), "offset": pa.int64()}),
        )
        keys, offsets = (table[name].to_numpy() for name in ("key", "offset"))
    except pa.ArrowException as error:
        raise FaceGeomError(
            f"{path} is no index of a RecordIO file (lines of key, tab, byte): {error}. Get it "
            "anew, or remove it."
        ) from error
    for name, column in (("key", keys), ("byte", offsets)):
        # sorted, for np.unique takes half a minute for five million numbers
        if column.dtype != np.int64 or (np.diff(np.sort(column)) == 0).any():
            raise FaceGeomError(
                f"{path}: a {name} is missing or comes twice. Get the file anew, or remove it."
            )
    return keys, offsets


def _by_person(
    file: RecordFile,
    keys: NDArray[np.int64],
    offsets: NDArray[np.int64],
    first: int,
    stop: int,
) -> _Found | None:
    """Find images and labels by the records of people, keys `first` … `stop` - 1.

    Returns:
        None where the numbers are too large to be exact, or the images do not stand in the order
        of their keys: then every header must be read.

    Raises:
        FaceGeomError: When the records of people disagree with the images.
    """
    order = np.argsort(keys, kind="stable")
    keys, offsets = keys[order], offsets[order]
    if stop > EXACT or (np.diff(offsets[1:first]) < 0).any():
        return None
    if not 1 < first < stop or not np.array_equal(keys, np.arange(stop)):
        raise FaceGeomError(
            f"{file.path}: its header says that images have the keys 1 … {first - 1} and people "
            f"{first} … {stop - 1}, but its .idx file has {len(keys)} keys up to {keys[-1]}. Get "
            "both anew, or remove the .idx file."
        )
    people = file.heads(offsets[first:stop])
    starts, ends = _whole(people.several).T
    whole = starts[0] == 1 and ends[-1] == first and (starts[1:] == ends[:-1]).all()
    if not whole or (starts >= ends).any() or people.image.any() or (people.flag < 2).any():
        raise FaceGeomError(
            f"{file.path}: the records of its {stop - first} people do not share out the images "
            f"1 … {first - 1} among them. Make the file anew."
        )
    labels = file.heads(offsets[starts]).label
    other = np.flatnonzero(labels != file.heads(offsets[ends - 1]).label)
    if len(other):
        start, end = starts[other[0]], ends[other[0]]
        raise FaceGeomError(
            f"{file.path}: a record of people says that images {start} … {end - 1} are of one "
            "person, but their labels differ. Make the file anew."
        )
    return _Found(offsets[1:first], np.repeat(labels, ends - starts))


def _whole(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return float32 numbers as whole ones; what is none becomes -1."""
    return np.where((values >= 0) & (values < 2**31), values, -1).astype(np.int64)


def _scan(file: RecordFile) -> Iterator[NDArray[np.int64]]:
    """Yield where records start, some at a time, from the first to the last.

    Raises:
        FaceGeomError: When the file is damaged or cut short.
    """
    size, offset = len(file.data), 0
    while offset < size:
        found: list[int] = []
        while offset < size and len(found) < _CHUNK:
            kind, _, stop = file.part(offset)
            if kind in (WHOLE, FIRST):
                found.append(offset)
            offset = padded(stop)
        if offset > size:
            file.cut(found[-1])
        yield np.array(found, np.int64)


def _read_headers(file: RecordFile, parts: Iterable[NDArray[np.int64]]) -> _Found:
    """Read the header of every record in order, and keep those of images.

    Raises:
        FaceGeomError: When records are missing among them.
    """
    offsets, labels, end = [], [], 0
    size = len(file.data)
    with tqdm(desc=f"open {file.path.name}", total=size, unit="B", unit_scale=True, delay=1) as bar:
        for part in parts:
            heads = file.heads(part)
            gaps = np.flatnonzero(part != np.append(end, heads.end[:-1]))
            if len(gaps):
                raise FaceGeomError(
                    f"{file.path}: what stands before byte {part[gaps[0]]} is in no record that is "
                    "known. Get the file and its .idx file anew, or remove the .idx file."
                )
            offsets.append(part[heads.image])
            labels.append(heads.label[heads.image])
            bar.update(int(heads.end[-1]) - end)
            end = int(heads.end[-1])
    return _Found(np.concatenate(offsets), np.concatenate(labels))
