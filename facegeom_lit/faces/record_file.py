"""The framing of MXNet RecordIO files, and random access to the image records in one.

A file is a row of parts, each: the magic number, a word with the kind of part in its upper 3 bits
and the length in the others, the payload, and zeros up to a multiple of 4 bytes. Readers that have
lost their place look for the magic number, so no payload may hold it at a multiple of 4 bytes: a
record that does is cut there into parts (first, middle …, last), and the magic number left out.

An image record's payload is a header (flag, label, id, id2), `flag` labels if the flag is not
zero, and an image file's bytes.

Source: dmlc-core (`src/recordio.cc`) and MXNet (`python/mxnet/recordio.py`).
"""

from __future__ import annotations

import mmap
from pathlib import Path
from struct import Struct, error
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError

MAGIC = 0xCED7230A
WHOLE, FIRST, MIDDLE, LAST = range(4)
LENGTH_BITS = 29
FRAME = Struct("<II")  # magic, kind and length
HEADER = Struct("<IfQQ")  # flag, label, id, id2

_RECORD = Struct("<IIIfQQ")  # both, for a record in one part
_LENGTH = (1 << LENGTH_BITS) - 1
_LABEL = Struct("<f")
_HEAD = np.dtype(
    [
        ("magic", "<u4"),
        ("word", "<u4"),
        ("flag", "<u4"),
        ("label", "<f4"),
        ("id", "<u8"),
        ("id2", "<u8"),
        ("labels", "<f4", 2),
    ]
)


Length = TypeVar("Length", int, NDArray[np.int64])


def padded(length: Length) -> Length:
    """Return the multiple of 4 that `length` bytes take.

    Example:
        >>> padded(5)
        8
    """
    return length + 3 & ~3


class Heads(NamedTuple):
    """Headers of image records.

    Attributes:
        label: float32 (N,): the label, the first of several.
        several: float32 (N, 2): the first two, where there are several.
        flag: uint32 (N,): number of labels, 0 for one that stands in the header itself.
        image: bool (N,): whether anything follows the labels.
        end: int64 (N,): where the next record starts.
    """

    label: NDArray[np.float32]
    several: NDArray[np.float32]
    flag: NDArray[np.uint32]
    image: NDArray[np.bool_]
    end: NDArray[np.int64]


class RecordFile:
    """A memory-mapped RecordIO file, opened anew in each process that takes a copy.

    A map has no position, so a fork may share it.

    Args:
        path: The `.rec` file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map: mmap.mmap | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the map behind: it belongs to this process."""
        return RecordFile, (self.path,)

    @property
    def data(self) -> mmap.mmap:
        """The bytes of the file.

        Raises:
            FaceGeomError: When it cannot be opened, or is empty.
        """
        if self._map is None:
            try:
                with self.path.open("rb") as file:
                    self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as fault:
                reason = getattr(fault, "strerror", None) or "it is empty"
                raise FaceGeomError(f"Cannot read {self.path}: {reason}.") from fault
        return self._map

    def payload(self, offset: int) -> bytes:
        """Return the payload of the record at `offset`, put together from its parts.

        Raises:
            FaceGeomError: When no whole record stands there.
        """
        return self._parts(offset)[0]

    def end(self, offset: int) -> int:
        """Return where the record after the one at `offset` starts.

        Raises:
            FaceGeomError: When no whole record stands there.
        """
        return self._parts(offset)[1]

    def part(self, offset: int) -> tuple[int, int, int]:
        """Return kind, first byte and one past the last byte of the part at `offset`.

        Raises:
            FaceGeomError: When there is none, or it goes on after the end of the file.
        """
        try:
            magic, word = FRAME.unpack_from(self.data, offset)
        except error:
            self.cut(offset)
        if magic != MAGIC:
            raise FaceGeomError(
                f"{self.path} has no record at byte {offset}: it is damaged, or its .idx file "
                "belongs to another file. Get both anew, or remove the .idx file."
            )
        start = offset + FRAME.size
        stop = start + (word & _LENGTH)
        if stop > len(self.data):
            self.cut(offset)
        return word >> LENGTH_BITS, start, stop

    def cut(self, offset: int) -> NoReturn:
        """Say that the file ends too early.

        Raises:
            FaceGeomError: Always.
        """
        raise FaceGeomError(
            f"{self.path} is cut short: a record at byte {offset} goes on after its "
            f"{len(self.data)} bytes. Copy the file again."
        )

    def _parts(self, offset: int) -> tuple[bytes, int]:
        kind, start, stop = self.part(offset)
        parts = [self.data[start:stop]]
        if kind not in (WHOLE, FIRST):
            self._misplaced(offset)
        while kind not in (WHOLE, LAST):
            kind, start, stop = self.part(offset + FRAME.size + padded(len(parts[-1])))
            offset = start - FRAME.size
            if kind not in (MIDDLE, LAST):
                self._misplaced(offset)
            parts.append(self.data[start:stop])
        return FRAME.pack(MAGIC, 0)[:4].join(parts), start + padded(len(parts[-1]))

    def _misplaced(self, offset: int) -> NoReturn:
        raise FaceGeomError(
            f"{self.path} is damaged at byte {offset}: parts of records are missing. Get it anew."
        )

    def heads(self, offsets: NDArray[np.int64]) -> Heads:
        """Read the headers of image records without their images.

        Args:
            offsets: int64 (N,): where the records start.

        Raises:
            FaceGeomError: When no image record stands there.
        """
        size = len(self.data)
        words = np.frombuffer(self.data, "<u4", size // 4)  # records start at multiples of 4
        where = offsets[:, None] // 4 + np.arange(_HEAD.itemsize // 4)
        heads = words[np.minimum(where, len(words) - 1)].view(_HEAD)[:, 0]
        kinds, lengths = heads["word"] >> LENGTH_BITS, (heads["word"] & _LENGTH).astype(np.int64)
        ends = offsets + FRAME.size + padded(lengths)
        for row in np.flatnonzero((heads["magic"] != MAGIC) | (kinds != WHOLE)).tolist():
            payload = self.payload(int(offsets[row]))
            lengths[row], ends[row] = len(payload), self.end(int(offsets[row]))
            head = payload[: HEADER.size + 8].ljust(HEADER.size + 8, b"\0")
            heads[row] = np.frombuffer(bytes(8) + head, _HEAD)[0]
        images = lengths - HEADER.size - 4 * heads["flag"].astype(np.int64)
        if (images < 0).any():
            self._no_header(int(offsets[(images < 0).argmax()]))
        if (ends > size).any():
            self.cut(int(offsets[(ends > size).argmax()]))
        return Heads(
            np.where(heads["flag"] > 0, heads["labels"][:, 0], heads["label"]),
            heads["labels"],
            heads["flag"],
            images > 0,
            ends,
        )

    def _no_header(self, offset: int) -> NoReturn:
        raise FaceGeomError(
            f"{self.path}: the record at byte {offset} is no image record of MXNet. Only files "
            "made by im2rec, face2rec2 and their like can be read."
        )

    def image(self, offset: int) -> tuple[float, bytes]:
        """Return the (first) label and the encoded image of the record at `offset`.

        Raises:
            FaceGeomError: When no whole image record stands there.
        """
        data = self._map or self.data
        try:
            magic, word, flag, label, _, _ = _RECORD.unpack_from(data, offset)
            if magic == MAGIC and word >> LENGTH_BITS == WHOLE:
                start = offset + _RECORD.size + 4 * flag
                stop = offset + FRAME.size + word
                if start < stop <= len(data):
                    if flag:
                        (label,) = _LABEL.unpack_from(data, offset + _RECORD.size)
                    return label, data[start:stop]
        except error:
            pass  # the slow way says what is wrong
        payload = self.payload(offset)
        if len(payload) < HEADER.size:
            self._no_header(offset)
        flag, label, _, _ = HEADER.unpack_from(payload)
        start = HEADER.size + 4 * flag
        if start >= len(payload):
            self._no_header(offset)
        if flag:
            (label,) = _LABEL.unpack_from(payload, HEADER.size)
        return label, payload[start:]
