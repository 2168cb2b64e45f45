"""Small galleries in every format, written by the libraries that own the formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

FORMATS = ("npy", "npz", "parquet", "safetensors")
COUNT, DIMENSION = 50, 6
MODEL = "a" * 64


def embeddings(dtype: str = "float32") -> NDArray[Any]:
    return np.random.default_rng(0).standard_normal((COUNT, DIMENSION)).astype(dtype)


def people() -> NDArray[np.str_]:
    return np.asarray([f"p{row // 3} é" for row in range(COUNT)])


def written(folder: Path, suffix: str, matrix: NDArray[Any] | None = None) -> Path:
    """A gallery with its model, the fact `distance`, people (but for npy) and a column `seen`."""
    matrix = embeddings() if matrix is None else matrix
    path = folder / f"old.{suffix}"
    seen = np.arange(len(matrix))
    if suffix == "npy":
        np.save(path, matrix)
        path.with_suffix(".json").write_text(json.dumps({"model": MODEL, "distance": "cosine"}))
    elif suffix == "npz":
        facts = {"model": np.asarray(MODEL), "distance": np.asarray("cosine")}
        np.savez(path, identity=people(), embeddings=matrix, seen=seen, **facts)
    elif suffix == "parquet":
        lists = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])
        table = pa.table({"identity": people(), "embedding": lists, "seen": seen})
        facts = {"facegeom.model": MODEL, "facegeom.distance": "cosine", "others": "kept"}
        pq.write_table(table.replace_schema_metadata(facts), path, row_group_size=20)
    else:
        arrays = {
            "embeddings": matrix,
            "identity": seen // 3,
            "seen": seen,
            "odd": np.ones(3, "u1"),
        }
        save_file(arrays, path, metadata={"model": MODEL, "distance": "cosine"})
    return path


def read(path: Path) -> tuple[NDArray[Any], dict[str, Any], dict[str, str]]:
    """Embeddings, columns and facts of a file, by the library that owns its format."""
    if path.suffix == ".npy":
        beside = json.loads(path.with_suffix(".json").read_text())
        return np.load(path), beside.pop("columns", {}), beside
    if path.suffix == ".npz":
        arrays = dict(np.load(path))
        facts = {name: str(arrays.pop(name)) for name, a in list(arrays.items()) if a.ndim == 0}
        return arrays.pop("embeddings"), {n: a.tolist() for n, a in arrays.items()}, facts
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        facts = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
        facts = {k.removeprefix("facegeom."): v for k, v in facts.items()}
        matrix = np.stack(table["embedding"].to_numpy())
        return matrix, table.drop_columns(["embedding"]).to_pydict(), facts
    arrays = load_file(path)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    facts = json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"]
    return arrays.pop("embeddings"), {n: a.tolist() for n, a in arrays.items()}, facts
