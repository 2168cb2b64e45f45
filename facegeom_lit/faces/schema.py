"""Columns of a face set, and one shard written whole.

Plain pyarrow rather than Hugging Face `datasets`: the schema is fixed and ours, shards appear
whole or not at all (which makes generation resumable), and no further dependency with a cache of
its own stands between a user and the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facegeom_lit.files import atomic_path

IMAGE_COLUMN = "image"
FIXED_COLUMNS: dict[str, pa.DataType] = {
    IMAGE_COLUMN: pa.binary(),  # encoded bytes; null where `path` is given
    "path": pa.string(),  # file, relative to the set's folder; null where `image` is given
    "identity": pa.string(),
    "node": pa.int32(),  # -1: not part of a lattice
    "moving": pa.string(),  # attribute that moves; "": the shared middle image, or no lattice
    "step": pa.int8(),  # 0, 1, 2 for a - δ, a, a + δ
    "split": pa.string(),
    "source": pa.string(),
    "seed": pa.int64(),
}
SHARD_PATTERN = "shard-*.parquet"

# What a row that does not say otherwise has: no lattice, nothing known.
_ABSENT = {"node": -1, "moving": "", "step": 1, "split": "", "source": "", "seed": 0}

# Random access reads one row group: small groups keep that to some hundred kilobytes.
_ROW_GROUP = 32


def shard_name(number: int) -> str:
    """Return the file name of shard `number`.

    Example:
        >>> shard_name(3)
        'shard-00003.parquet'
    """
    return f"shard-{number:05d}.parquet"


def schema(attributes: Sequence[str]) -> pa.Schema:
    """Return the Arrow schema of a face set with one float32 column per attribute."""
    columns = {**FIXED_COLUMNS, **dict.fromkeys(attributes, pa.float32())}
    return pa.schema(list(columns.items()))


def table_from_rows(rows: Sequence[Mapping[str, Any]], attributes: Sequence[str]) -> pa.Table:
    """Build a table; what a row does not name takes the value of "no lattice, unknown".

    Args:
        rows: One mapping per image; `identity` and either `image` or `path` are needed.
        attributes: Names of the attribute columns; None and NaN both become null.
    """
    columns = [
        # from_pandas: NaN becomes null, so that "unknown" is written in one way only
        pa.array(
            [row.get(field.name, _ABSENT.get(field.name)) for row in rows],
            field.type,
            from_pandas=True,
        )
        for field in schema(attributes)
    ]
    return pa.Table.from_arrays(columns, schema=schema(attributes))


def table_from_labels(labels: NDArray[np.integer], names: Sequence[str], source: str) -> pa.Table:
    """Build a table of images that have a person and nothing else, without an object a row.

    Strings are dictionary-encoded: a row takes some twenty bytes.

    Args:
        labels: int (N,): who each row shows.
        names: Name of the person of each label.
        source: Value of the column `source`.
    """
    columns = {}
    for name, kind in FIXED_COLUMNS.items():
        value = source if name == "source" else _ABSENT.get(name)
        if name == "identity":
            who = pa.array(np.asarray(labels, np.int32))
            columns[name] = pa.DictionaryArray.from_arrays(who, pa.array(names, pa.string()))
        elif value is None:
            columns[name] = pa.nulls(len(labels), kind)
        elif pa.types.is_string(kind):
            zeros = pa.array(np.zeros(len(labels), np.int8))
            columns[name] = pa.DictionaryArray.from_arrays(zeros, pa.array([value]))
        else:
            columns[name] = pa.repeat(pa.scalar(value, kind), len(labels))
    return pa.table(columns).drop_columns([IMAGE_COLUMN])


def write_shard(
    path: str | Path, rows: Sequence[Mapping[str, Any]], attributes: Sequence[str]
) -> None:
    """Write one Parquet shard, whole or not at all.

    Raises:
        FaceGeomError: When it cannot be written; what stood there before is kept.
    """
    table = table_from_rows(rows, attributes)
    with atomic_path(path) as temporary:
        # Images are compressed already; dictionaries of unique bytes would only cost time.
        compression = {name: "zstd" for name in table.column_names if name != IMAGE_COLUMN}
        pq.write_table(
            table,
            temporary,
            row_group_size=_ROW_GROUP,
            compression={**compression, IMAGE_COLUMN: "none"},
            use_dictionary=["identity", "moving", "split", "source"],
        )
