"""Encoded images read one at a time from Parquet shards that need not fit in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.schema import IMAGE_COLUMN


def open_shard(path: Path) -> pq.ParquetFile:
    """Open one memory-mapped shard.

    Raises:
        FaceGeomError: When the file is no Parquet file.
    """
    try:
        return pq.ParquetFile(path, memory_map=True)
    except (OSError, pa.ArrowException) as error:
        raise FaceGeomError(
            f"{path} is damaged ({error}). Delete it and run the command that made the face set "
            "again: it writes the missing shard anew."
        ) from error


class ShardImages:
    """The image column of a list of shards; one row group is read at a time.

    Args:
        shards: The Parquet files, in order.
        counts: Number of rows of each.
    """

    def __init__(self, shards: Sequence[Path], counts: Sequence[int]) -> None:
        self._shards = list(shards)
        self._counts = list(counts)
        self._starts = [0, *accumulate(counts)]
        # Neighbouring rows share a group: sequential readers decode each group once.
        self._open: Callable[[int], pq.ParquetFile] = lru_cache(16)(self._open_shard)
        self._group: Callable[[int, int], pa.ChunkedArray] = lru_cache(8)(self._read_group)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave open files behind when a data loader's worker takes a copy."""
        return ShardImages, (self._shards, self._counts)

    def read(self, row: int) -> bytes:
        """Return the encoded image of global row `row`.

        Raises:
            FaceGeomError: When the shard was replaced by a shorter one.
        """
        shard = bisect_right(self._starts, row) - 1
        row -= self._starts[shard]
        metadata = self._open(shard).metadata
        for group in range(metadata.num_row_groups):
            size = metadata.row_group(group).num_rows
            if row < size:
                return self._group(shard, group)[row].as_py()
            row -= size
        raise FaceGeomError(
            f"{self._shards[shard]} has fewer rows than when it was opened. Start again."
        )

    def _open_shard(self, shard: int) -> pq.ParquetFile:
        return open_shard(self._shards[shard])

    def _read_group(self, shard: int, group: int) -> pa.ChunkedArray:
        table = self._open(shard).read_row_group(group, columns=[IMAGE_COLUMN], use_threads=False)
        return table.column(0)
