"""Writing a Parquet table a chunk of embeddings at a time, with its other columns beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.gallery import Layout, Rows
from facegeom_lit.galleries.output import Output

PREFIX = "facegeom."
"""What the names of facts begin with in the metadata of a schema."""


class Beside:
    """Other columns, taken so many rows at a time.

    Args:
        batches: The columns.
        path: Where they come from, for messages.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch], path: Path) -> None:
        self._batches, self._path = batches, path
        self._rest: list[pa.RecordBatch] = []

    def take(self, count: int) -> pa.Table | None:
        """Return the next rows; None where there are no columns."""
        taken: list[pa.RecordBatch] = []
        while count:
            with damage_named(self._path):
                batch = self._rest.pop() if self._rest else next(self._batches, None)
            if batch is None:
                break
            if len(batch) > count:
                self._rest.append(batch.slice(count))
                batch = batch.slice(0, count)
            count -= len(batch)
            taken.append(batch)
        return pa.Table.from_batches(taken) if taken else None


def write(
    output: Output,
    layout: Layout,
    key: str,
    rows: Rows,
    others: Beside,
    schema: pa.Schema,
    metadata: Mapping[bytes, bytes],
    codecs: Mapping[str, str] | str,
) -> None:
    """Write a table, a row group for each chunk.

    Args:
        output: Takes the bytes of the file.
        layout: What it says of the embeddings.
        key: Name of their column.
        rows: The embeddings.
        others: The other columns.
        schema: Of the table.
        metadata: What else its metadata hold.
        codecs: Compression of each column.
    """
    facts = {(PREFIX + name).encode(): v.encode() for name, v in layout.all_facts.items()}
    schema = schema.with_metadata({**metadata, **facts})
    words = [name for name in schema.names if name != key]
    kind = schema.field(key).type
    with pq.ParquetWriter(
        output,
        schema,
        compression=codecs or "snappy",
        use_dictionary=words or False,
    ) as writer:
        for chunk in rows:
            beside = others.take(len(chunk))
            embeddings = _lists(chunk, kind)
            columns = [
                embeddings if name == key else beside.column(name)  # type: ignore[union-attr]
                for name in schema.names
            ]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=len(chunk))


def _lists(chunk: NDArray[Any], kind: pa.DataType) -> pa.Array:
    values = pa.array(chunk.reshape(-1), kind.value_type)
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(values, type=kind)
    large = pa.types.is_large_list(kind)
    offsets = np.arange(len(chunk) + 1, dtype=np.int64 if large else np.int32) * chunk.shape[1]
    made = pa.LargeListArray if large else pa.ListArray
    return made.from_arrays(pa.array(offsets), values, type=kind)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Name a Parquet file that cannot be read.

    Raises:
        FaceGeomError: When the block finds it damaged.
    """
    try:
        yield
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise FaceGeomError(
            f"{path} is no Parquet file, or damaged ({error}). Copy it again."
        ) from error
