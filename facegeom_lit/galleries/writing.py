"""A new gallery of embeddings that are computed a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.finite import check_finite
from facegeom_lit.galleries.formats import npy, npz, parquet, parquet_writing, safetensors
from facegeom_lit.galleries.gallery import EMBEDDINGS, Layout, Rows
from facegeom_lit.galleries.opening import format_of
from facegeom_lit.galleries.output import Output
from facegeom_lit.galleries.publishing import disk_errors_named, only_writer, part_path, publish

Columns = Mapping[str, NDArray[Any]]
"""Arrays (N, …) of text or numbers."""


def write_gallery(
    path: str | Path,
    chunks: Rows,
    *,
    count: int,
    dimension: int,
    dtype: str,
    columns: Columns,
    model: str,
    facts: Mapping[str, str],
    key: str | None = None,
    job: str = "",
) -> str:
    """Write a gallery, whole or not at all, with `<path>.sha256` beside it.

    Args:
        path: A file `.npy` (facts and columns stand in `<name>.json` beside it), `.npz`, `.parquet`
            or `.safetensors`.
        chunks: Consecutive embeddings (n, D), N in all.
        count: N.
        dimension: D.
        dtype: `float16`, `float32` or `float64`.
        columns: What stands beside each embedding: text, or numbers.
        model: Hash of the face model.
        facts: What else is known.
        key: Name of the matrix; None: the usual one of the format.
        job: What makes it, as one hash, so that `finished` knows it again.

    Returns:
        SHA-256 of the file, 64 hex digits.

    Raises:
        FaceGeomError: When the file exists, another process is writing it, it cannot be written,
            or an embedding is not finite.
    """
    path = Path(path).expanduser()
    suffix = format_of(path)
    if wrong := [name for name, column in columns.items() if len(column) != count]:
        raise FaceGeomError(f"{wrong[0]!r} has {len(columns[wrong[0]])} rows, not {count}.")
    layout = Layout(count, dimension, np.dtype(dtype), model, facts)
    part = part_path(path)
    with disk_errors_named(path, "Nothing partial was left."):
        path.parent.mkdir(parents=True, exist_ok=True)
        with only_writer(path):
            if path.exists():
                raise FaceGeomError(f"{path} exists already. Choose another, or delete it.")
            try:
                with closing(Output(part)) as output:
                    _WRITERS[suffix](output, layout, key, _checked(chunks, layout, path), columns)
                    digest = output.finish()
                if suffix == ".npy":
                    npy.write_sidecar(path, layout, {n: c.tolist() for n, c in columns.items()})
                publish(part, path, digest, job)
            finally:
                part.unlink(missing_ok=True)
    return digest


def _checked(chunks: Rows, layout: Layout, path: Path) -> Iterator[NDArray[Any]]:
    done = 0
    for chunk in chunks:
        with np.errstate(over="ignore"):
            made = np.ascontiguousarray(chunk, layout.dtype)
        remedy = f"The model is damaged, or its embeddings too large for {layout.dtype}."
        check_finite(made, f"What {path} shall hold", done, remedy)
        done += len(made)
        yield made
    if done != layout.count:
        raise FaceGeomError(f"{done} embeddings were given for {path}, not {layout.count}.")


def _npy(output: Output, layout: Layout, key: str | None, rows: Rows, columns: Columns) -> None:
    npy.write(output, layout, rows)


def _npz(output: Output, layout: Layout, key: str | None, rows: Rows, columns: Columns) -> None:
    members = [npz.member_of(name, column) for name, column in columns.items()]
    npz.write(output, layout, key or EMBEDDINGS, rows, members)


def _parquet(output: Output, layout: Layout, key: str | None, rows: Rows, columns: Columns) -> None:
    key = key or parquet.EMBEDDING
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    kind = pa.list_(pa.from_numpy_dtype(layout.dtype), layout.dimension)
    schema = table.schema.append(pa.field(key, kind))
    beside = parquet_writing.Beside(iter(table.to_batches()), output.path)
    parquet_writing.write(output, layout, key, rows, beside, schema, {}, {})


def _safetensors(
    output: Output, layout: Layout, key: str | None, rows: Rows, columns: Columns
) -> None:
    others: dict[str, Any] = {}
    for name, column in columns.items():
        others |= safetensors.tensors_of(name, column)
    safetensors.write(output, layout, key or EMBEDDINGS, rows, others)


_WRITERS = {".npy": _npy, ".npz": _npz, ".parquet": _parquet, ".safetensors": _safetensors}
