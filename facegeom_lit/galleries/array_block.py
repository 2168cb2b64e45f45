"""A matrix that stands in a file as it would in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError


@dataclass(frozen=True)
class ArrayBlock:
    """A matrix (N, D) in the midst of a file.

    It is read by position and not memory-mapped: a mapped file counts as the process's memory, and
    one that is cut short meanwhile ends the process.

    Attributes:
        path: The file.
        offset: Its byte where the matrix begins.
        shape: (N, D).
        dtype: Of the values, in whatever byte order.
        fortran: Whether columns, not rows, stand together.

    Raises:
        FaceGeomError: When the file ends before the matrix does.
    """

    path: Path
    offset: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    fortran: bool = False

    def __post_init__(self) -> None:
        count, dimension = self.shape
        end = self.offset + count * dimension * self.dtype.itemsize
        if (size := self.path.stat().st_size) < end:
            raise FaceGeomError(
                f"{self.path} is cut short: its embeddings end at byte {end:,}, the file at byte "
                f"{size:,}. Copy it again."
            )

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows [start, stop), (n, D), rows together, in the byte order of the machine."""
        count, dimension = self.shape
        with self.path.open("rb", buffering=0) as file:
            if not self.fortran:
                found = np.empty((stop - start, dimension), self.dtype)
                self._fill(file, found, start * dimension)
                return found.astype(native(self.dtype), copy=False)
            columns = np.empty((dimension, stop - start), self.dtype)
            for column in range(dimension):
                self._fill(file, columns[column], column * count + start)
        return np.ascontiguousarray(columns.T, native(self.dtype))

    def _fill(self, file: Any, into: NDArray[Any], first: int) -> None:
        file.seek(self.offset + first * self.dtype.itemsize)
        view = bytes_of(into)
        while view:
            if not (size := file.readinto(view)):
                raise FaceGeomError(f"{self.path} became shorter while it was read.")
            view = view[size:]


def bytes_of(array: NDArray[Any]) -> memoryview:
    """Return the memory of an array in C order as bytes."""
    flat: Any = array.reshape(-1).view(np.uint8)
    return memoryview(flat)


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the same type in the byte order of the machine."""
    return dtype.newbyteorder("=")
