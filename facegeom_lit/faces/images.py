"""Stores of encoded images: where a face set's rows without a path find their bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.schema import FIXED_COLUMNS, IMAGE_COLUMN


class ImageStore(Protocol):
    """Encoded images by row.

    A store can be pickled, and read from any process, after a fork too: what it holds open belongs
    to no process or is opened anew in each.
    """

    def read(self, row: int) -> bytes:
        """Return the encoded image of row `row`.

        Raises:
            FaceGeomError: When it cannot be read; the message names the file.
        """


class ImagesInMemory:
    """Encoded images in one block of memory, which forked processes share.

    Args:
        images: The images, in order.

    Example:
        >>> ImagesInMemory([b"first", b"second"]).read(1)
        b'second'
    """

    def __init__(self, images: Sequence[bytes]) -> None:
        self._data = np.frombuffer(b"".join(images), np.uint8)
        self._ends = np.cumsum([0, *map(len, images)])

    def read(self, row: int) -> bytes:
        """Return the encoded image of row `row`."""
        return self._data[self._ends[row] : self._ends[row + 1]].tobytes()


def open_shard(path: Path) -> pq.ParquetFile:
    """Open one memory-mapped shard.

    Raises:
        FaceGeomError: When the file is no Parquet file.
    """
    with damage_named(path):
        return pq.ParquetFile(path, memory_map=True)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Give errors of Arrow about a file one clear message.

    Raises:
        FaceGeomError: When the block finds a damaged file.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise FaceGeomError(
            f"{path} is damaged ({error}). Get it anew; a shard of a face set: delete it and run "
            "the command that made the set again, which writes the missing shard anew."
        ) from error


def check_columns(file: pq.ParquetFile, path: Path) -> None:
    """Require the columns of a face set.

    Raises:
        FaceGeomError: When one is missing or of another type.
    """
    for name, kind in FIXED_COLUMNS.items():
        place = file.schema_arrow.get_field_index(name)
        found = "missing" if place < 0 else file.schema_arrow.field(place).type
        if isinstance(found, pa.DictionaryType):
            found = found.value_type
        if found != kind:
            raise FaceGeomError(
                f"{path} is no shard of a face set: its column {name!r} should be {kind}, and is "
                f"{found}. Delete the folder and make the face set again."
            )


class ShardImages:
    """The image column of a list of Parquet files; one row group is read at a time.

    Args:
        shards: The Parquet files, in order.
        counts: Number of rows of each.
        column: Where the bytes stand: a column, or `column.field` of a column of structs.
    """

    def __init__(
        self, shards: Sequence[Path], counts: Sequence[int], column: str = IMAGE_COLUMN
    ) -> None:
        self._shards = list(shards)
        self._counts = list(counts)
        self._column = column
        self._starts = [0, *accumulate(counts)]
        # Neighbouring rows share a group: sequential readers decode each group once.
        self._open: Callable[[int], tuple[pq.ParquetFile, list[int]]] = lru_cache(16)(
            self._open_shard
        )
        self._group: Callable[[int, int], pa.ChunkedArray] = lru_cache(8)(self._read_group)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave open files behind when a data loader's worker takes a copy."""
        return ShardImages, (self._shards, self._counts, self._column)

    def read(self, row: int) -> bytes:
        """Return the encoded image of global row `row`.

        Raises:
            FaceGeomError: When the shard was replaced by a shorter one, or has no image there.
        """
        shard = bisect_right(self._starts, row) - 1
        row -= self._starts[shard]
        _, groups = self._open(shard)
        if row >= groups[-1]:
            raise FaceGeomError(
                f"{self._shards[shard]} has fewer rows than when it was opened. Start again."
            )
        group = bisect_right(groups, row) - 1
        data = self._group(shard, group)[row - groups[group]].as_py()
        return _present(data, self._shards[shard], row, self._column)

    def _open_shard(self, shard: int) -> tuple[pq.ParquetFile, list[int]]:
        """Return the file and where its row groups start."""
        file = open_shard(self._shards[shard])
        metadata = file.metadata
        sizes = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        return file, [0, *accumulate(sizes)]

    def _read_group(self, shard: int, group: int) -> pa.ChunkedArray:
        file, _ = self._open(shard)
        with damage_named(self._shards[shard]):
            table = file.read_row_group(group, columns=[self._column], use_threads=False)
        column = table.column(0)
        field = self._column.partition(".")[2]
        return pc.struct_field(column, field) if field else column


def open_arrow(path: Path) -> pa.Table:
    """Open a memory-mapped Arrow file, a stream or one with random access.

    Raises:
        FaceGeomError: When it is neither.
    """
    try:
        source = pa.memory_map(str(path))
        magic = source.read(6)
        source.seek(0)
        open_ipc = pa.ipc.open_file if magic == b"ARROW1" else pa.ipc.open_stream
        table = open_ipc(source).read_all()
        table.validate(full=True)  # offsets are trusted from here on, and may point anywhere
        return table
    except (OSError, pa.ArrowException) as error:
        raise FaceGeomError(
            f"{path} is no Arrow file, or damaged ({error}). Get it anew."
        ) from error


class ArrowImages:
    """The image column of a list of memory-mapped Arrow files.

    Args:
        files: The files, in order.
        counts: Number of rows of each.
        column: As of `ShardImages`.
    """

    def __init__(self, files: Sequence[Path], counts: Sequence[int], column: str) -> None:
        self._files = list(files)
        self._counts = list(counts)
        self._column = column
        self._starts = [0, *accumulate(counts)]
        self._open: Callable[[int], pa.ChunkedArray] = lru_cache(None)(self._open_column)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave open files behind when a data loader's worker takes a copy."""
        return ArrowImages, (self._files, self._counts, self._column)

    def read(self, row: int) -> bytes:
        """Return the encoded image of global row `row`.

        Raises:
            FaceGeomError: When it has no image there.
        """
        number = bisect_right(self._starts, row) - 1
        data = self._open(number)[row - self._starts[number]].as_py()
        return _present(data, self._files[number], row - self._starts[number], self._column)

    def _open_column(self, number: int) -> pa.ChunkedArray:
        name, _, field = self._column.partition(".")
        column = open_arrow(self._files[number])[name]
        return pc.struct_field(column, field) if field else column


def _present(data: bytes | None, file: Path, row: int, column: str) -> bytes:
    if data is None:
        raise FaceGeomError(
            f"{file}, row {row}: no image under {column!r}. Write the bytes of the images into "
            "the table."
        )
    return data
