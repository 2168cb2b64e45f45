"""A matrix in a ZIP archive: read anywhere where it is stored as it is, in order where deflated."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.array_block import ArrayBlock, bytes_of, native

_HEADER = 30
"""Bytes before the name in the header that stands before a member; at 26 the length of the name
and at 28 that of what follows it (APPNOTE.TXT of PKWARE, 4.3.7)."""
_MOST_DEFLATED = 1100
"""More times smaller than it is no content becomes."""


def zipped_matrix(
    path: Path,
    info: ZipInfo,
    start: int,
    shape: tuple[int, int],
    dtype: np.dtype[Any],
    fortran: bool,
) -> ArrayBlock | CompressedBlock:
    """Return what reads the rows of a matrix in an archive.

    Args:
        path: The archive.
        info: The member.
        start: Its byte where the matrix begins.
        shape: (N, D).
        dtype: Of the values.
        fortran: Whether columns, not rows, stand together.

    Raises:
        FaceGeomError: When it is cut short, or cannot be read row by row.
        BadZipFile: When it is damaged.
    """
    if info.compress_type == ZIP_STORED:
        with path.open("rb") as file:
            file.seek(info.header_offset)
            head = file.read(_HEADER)
        lengths = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        offset = info.header_offset + _HEADER + lengths + start
        return ArrayBlock(path, offset, shape, dtype, fortran)
    if fortran:
        raise FaceGeomError(
            f"{path} holds the embeddings compressed and column by column, so that no row can be "
            "read without all. Write numpy.ascontiguousarray of them."
        )
    return CompressedBlock(path, info, start, shape, dtype)


class CompressedBlock:
    """A matrix (N, D) in a compressed member: a step back begins at its start again.

    Args:
        path: The archive.
        info: The member.
        start: Its byte where the matrix begins.
        shape: (N, D).
        dtype: Of the values, in whatever byte order.

    Raises:
        BadZipFile: When the member cannot hold so much.
    """

    def __init__(
        self, path: Path, info: ZipInfo, start: int, shape: tuple[int, int], dtype: np.dtype[Any]
    ) -> None:
        size = start + shape[0] * shape[1] * dtype.itemsize
        if info.file_size < size or info.file_size > _MOST_DEFLATED * info.compress_size:
            raise BadZipFile(f"{info.filename} claims {size:,} bytes that it cannot hold")
        self._path, self._info, self._start = path, info, start
        self._dimension, self._dtype = shape[1], dtype
        self._file: IO[bytes] | None = None

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Read rows [start, stop), (n, D), in the byte order of the machine."""
        if self._file is None:
            self._file = ZipFile(self._path).open(self._info)  # noqa: SIM115 - kept for what follows
        file: Any = self._file
        file.seek(self._start + start * self._dimension * self._dtype.itemsize)
        found = np.empty((stop - start, self._dimension), self._dtype)
        view = bytes_of(found)
        while view:
            if not (size := file.readinto(view)):
                raise BadZipFile(f"{self._info.filename} is cut short")
            view = view[size:]
        return found.astype(native(self._dtype), copy=False)
