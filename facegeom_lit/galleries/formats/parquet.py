"""Parquet: a column of lists of floats; the schema's `facegeom.…` metadata are the facts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.formats.parquet_writing import PREFIX, Beside, damage_named, write
from facegeom_lit.galleries.gallery import MODEL, Gallery, Layout, Rows
from facegeom_lit.galleries.output import Output

EMBEDDING = "embedding"
"""Name of the column, unless another is given."""
_BATCH = 4096
_BUFFER = 1 << 20
"""Bytes of a column that are read at a time: a row group may be larger than memory."""


class ParquetGallery(Gallery):
    """A column of lists, of fixed or of (everywhere the same) variable size.

    Rows are decoded a batch at a time, from the start to the end of the file: a step back begins
    at the start of its row group.
    """

    format = "parquet"
    appends = False

    def __init__(self, path: Path, key: str | None = None) -> None:
        with damage_named(path):
            self._file = pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)
            schema, metadata = self._file.schema_arrow, self._file.metadata
        name = _column(path, schema, key)
        self._type = schema.field(name).type
        ends = np.cumsum([metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)])
        self._ends = ends.astype(np.int64)
        facts = {
            key.decode(errors="replace")[len(PREFIX) :]: value.decode(errors="replace")
            for key, value in (schema.metadata or {}).items()
            if key.startswith(PREFIX.encode())
        }
        model = facts.pop(MODEL, None)
        dtype = np.dtype(self._type.value_type.to_pandas_dtype())
        self.path, self.key = path, name  # what reading the first row needs
        self._reader: tuple[int, Iterator[NDArray[Any]], NDArray[Any]] | None = None
        self._width: int | None = None
        count = metadata.num_rows
        if pa.types.is_fixed_size_list(self._type):
            self._width = self._type.list_size
        elif count:
            self._width = next(self._batches(0, 1)).shape[1]
        super().__init__(path, name, Layout(count, self._width or 0, dtype, model, facts))

    def column_names(self) -> tuple[str, ...]:
        """Names of the other columns."""
        return tuple(name for name in self._file.schema_arrow.names if name != self.key)

    def column(self, name: str) -> NDArray[Any]:
        """Read another column whole."""
        with damage_named(self.path):
            column = self._file.read([name], use_threads=False).column(name)
            if pa.types.is_dictionary(column.type):
                column = column.cast(column.type.value_type)
            text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            if column.null_count:
                raise FaceGeomError(f"{self.path}: {name!r} is empty in {column.null_count} rows.")
            found = column.to_numpy()
        return found.astype(str) if text else found

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        place, batches, rest = self._reader or (-1, iter(()), np.empty((0, 0)))
        group = int(np.searchsorted(self._ends, start, "right"))
        first = int(self._ends[group - 1]) if group else 0
        if place < 0 or start < place or first > place:
            place, batches, rest = first, self._batches(group), np.empty((0, self._width or 0))
        self._reader = None  # whatever fails, the next reading begins anew
        parts = []
        while place < stop:
            if not len(rest) and (rest := next(batches, rest[:0])).shape[0] == 0:
                raise FaceGeomError(
                    f"{self.path} is damaged: it has {place} rows and claims {self.count}. Copy it "
                    "again."
                )
            skipped = min(max(start - place, 0), len(rest))
            taken = rest[skipped : stop - place]
            place += skipped + len(taken)
            rest = rest[skipped + len(taken) :]
            if len(taken):
                parts.append(taken)
        self._reader = (place, batches, rest)
        if not parts:
            return np.empty((0, self.dimension), self.dtype)
        return np.concatenate(parts)

    def _batches(self, group: int, size: int = _BATCH) -> Iterator[NDArray[Any]]:
        """Yield the embeddings from a row group on."""
        first = int(self._ends[group - 1]) if group else 0
        groups = list(range(group, len(self._ends)))
        with damage_named(self.path):
            for batch in self._file.iter_batches(size, groups, [self.key], use_threads=False):
                yield self._matrix(batch.column(0), first)
                first += len(batch)

    def _matrix(self, column: pa.Array, first: int) -> NDArray[Any]:
        """Return lists as a matrix; refuse what is missing or of another length."""
        lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
        width = int(lengths[0]) if self._width is None else self._width
        if (wrong := np.flatnonzero(lengths != width)).size:
            row = int(wrong[0])
            found = "none" if lengths[row] < 0 else f"{lengths[row]} values"
            raise FaceGeomError(
                f"{self.path}: row {first + row} of {self.key!r} has {found}, others have {width}. "
                "Write one embedding of the same length a row."
            )
        values = column.flatten()
        if values.null_count:
            row = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0]) // width
            raise FaceGeomError(
                f"{self.path}: row {first + row} of {self.key!r} has an empty value. Embed that "
                "image again, or leave the row out."
            )
        return values.to_numpy(zero_copy_only=False).reshape(len(column), width)

    def rewrite(self, output: Output, layout: Layout, rows: Rows) -> None:
        """Write the table anew, column by column as it was, but for the embeddings."""
        source = self._file.schema_arrow
        place = source.get_field_index(self.key)
        field = source.field(place)
        kept = {
            key: value
            for key, value in (source.metadata or {}).items()
            if not key.startswith(PREFIX.encode())
        }
        schema = source.set(place, field.with_type(_list_type(field.type, layout.dimension)))
        others = self._file.iter_batches(
            _BATCH, columns=list(self.column_names()), use_threads=False
        )
        beside = Beside(others, self.path)
        write(output, layout, self.key, rows, beside, schema, kept, self._codecs())

    def _codecs(self) -> dict[str, str]:
        group = self._file.metadata
        if not group.num_row_groups:
            return {}
        columns = (group.row_group(0).column(i) for i in range(group.num_columns))
        return {column.path_in_schema: column.compression.lower() for column in columns}


def _list_type(kind: pa.DataType, dimension: int) -> pa.DataType:
    return pa.list_(kind.value_field, dimension) if pa.types.is_fixed_size_list(kind) else kind


def _column(path: Path, schema: pa.Schema, key: str | None) -> str:
    """Return the name of the column of embeddings."""
    found = [field.name for field in schema if _holds_embeddings(field.type)]
    listed = ", ".join(f"{field.name} ({field.type})" for field in schema)
    if key is None and EMBEDDING in found:
        return EMBEDDING
    if key is None and len(found) == 1:
        return found[0]
    if key is None:
        many = "several columns" if found else "no column"
        raise FaceGeomError(
            f"{path} has {many} of lists of floats: name the embeddings with key=…. It has: "
            f"{listed}."
        )
    if key not in found:
        raise FaceGeomError(f"{path} has no column {key!r} of lists of floats. It has: {listed}.")
    return key


def _holds_embeddings(kind: pa.DataType) -> bool:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    listed = listed or pa.types.is_fixed_size_list(kind)
    return listed and pa.types.is_floating(kind.value_type)
