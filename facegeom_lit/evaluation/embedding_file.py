"""Embeddings of one set by several models, in one `.npz` file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.arrays import read_arrays
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance

IDENTITY = "identity"
LISTS = ("models", "center", "euclidean")
KEYS = ("path", *LISTS, "drop")
ATTRIBUTES, NAMES = "attributes", "attribute_names"
"""A matrix of attributes (N, A), and what its columns are called (A,)."""
CURVES = "curves_"
"""What the name of an array of curves along an attribute begins with."""


@dataclass(frozen=True)
class EmbeddingFile:
    """Embeddings that others computed.

    Attributes:
        path: The file.
        labels: Person of each row that is kept, int64 (N,).
        people: Name of each person, in the order of the labels.
        models: float32 (N, D) by the name of the model.
        distances: How each model's embeddings are compared.
        notes: What was left out or changed.
        hash: SHA-256 of the file, as 64 hex digits.
        kept: Which rows of the file these are, (rows of the file,).
        others: The arrays that are no embeddings, as they stand in the file, such as attributes
            and curves; without the columns that `drop` reads.
    """

    path: Path
    labels: Tensor
    people: tuple[str, ...]
    models: dict[str, Tensor]
    distances: dict[str, Distance]
    notes: tuple[str, ...]
    hash: str
    kept: NDArray[np.bool_]
    others: dict[str, NDArray[Any]]


def read_embedding_file(source: str | Path | Mapping[str, Any]) -> EmbeddingFile:
    """Read a file with `identity` (N,) and a floating-point array (N, D) for each model.

    Args:
        source: The file; or a mapping of `path` and any of `models` (names of the arrays; default:
            all that are floating-point matrices), `drop` (name of an array (N,) → largest value
            that a row may have there), `center` (models whose mean is taken away first, for
            those with a large common one) and `euclidean` (models that are compared by the
            Euclidean distance; all others by the cosine).

    Raises:
        FaceGeomError: When a key or an array is missing or is not what it should be. Nothing in
            the file is executed: pickled objects are refused.
    """
    given = _checked(source)
    path = Path(str(given["path"])).expanduser()
    if not path.is_file():
        raise FaceGeomError(f"The file of embeddings {path} does not exist, or is no file.")
    arrays = read_arrays(path)
    if IDENTITY not in arrays:
        raise FaceGeomError(
            f"{path} has no array {IDENTITY!r}, which says who is who. It has: {', '.join(arrays)}."
        )
    if arrays[IDENTITY].ndim != 1:
        raise FaceGeomError(f"{path}: {IDENTITY!r} must be a vector, one person a row.")
    if arrays[IDENTITY].dtype.kind == "f" and not np.isfinite(arrays[IDENTITY]).all():
        raise FaceGeomError(f"{path}: {IDENTITY!r} holds NaN or infinity, which is no person.")
    count = len(arrays[IDENTITY])
    names = _models(path, arrays, given.get("models"), count)
    drop = given.get("drop") or {}
    kept, notes = _kept(path, arrays, drop, count)
    if not kept.any():
        raise FaceGeomError(f"{path}: no row is left ({'; '.join(notes) or 'the file has none'}).")
    for key in ("center", "euclidean"):
        if absent := [name for name in given.get(key) or () if name not in names]:
            raise FaceGeomError(f"{key} names {absent[0]!r}, which is no model of {path}.")
    centred = list(given.get("center") or ())
    euclidean = list(given.get("euclidean") or ())
    models = {}
    for name in names:
        embeddings = torch.from_numpy(arrays[name][kept].astype(np.float32))
        models[name] = embeddings - embeddings.mean(0) if name in centred else embeddings
    if centred:
        notes.append(f"the mean is taken away from: {', '.join(centred)}")
    people, labels = np.unique(arrays[IDENTITY][kept], return_inverse=True)
    known = {IDENTITY, *_matrices(arrays), *drop}
    return EmbeddingFile(
        path,
        torch.from_numpy(labels).long(),
        tuple(map(str, people.tolist())),
        models,
        {name: "euclidean" if name in euclidean else "cosine" for name in names},
        tuple(notes),
        sha256(path.read_bytes()).hexdigest(),
        kept,
        {name: array for name, array in arrays.items() if name not in known},
    )


def _checked(source: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a source, each of its kind."""
    given: dict[str, Any] = dict(source) if isinstance(source, Mapping) else {"path": source}
    if unknown := sorted(set(given) - set(KEYS)):
        raise FaceGeomError(
            f"Unknown key {unknown[0]!r} of a file of embeddings. Known: {', '.join(KEYS)}."
        )
    if given.get("path") is None:
        raise FaceGeomError(f"The file of embeddings {given} has no path. Give path=….")
    for key in LISTS:
        if given.get(key) is not None and not isinstance(given[key], list):
            raise FaceGeomError(
                f"{key} of a file of embeddings must be a list, got {given[key]!r}."
            )
    return given


def _models(
    path: Path, arrays: Mapping[str, NDArray[Any]], wanted: Sequence[str] | None, count: int
) -> list[str]:
    found = _matrices(arrays)
    names = found if wanted is None else list(wanted)
    if not names or (absent := [name for name in names if name not in found]):
        missing = repr(absent[0]) if names else "any"
        raise FaceGeomError(
            f"{path} has no model {missing}: a floating-point matrix of one row an image. It has: "
            f"{', '.join(found) or 'none'}."
        )
    if wrong := [name for name in names if len(arrays[name]) != count]:
        raise FaceGeomError(
            f"{path}: {wrong[0]!r} has {len(arrays[wrong[0]])} rows, {IDENTITY!r} has {count}."
        )
    return names


def _matrices(arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """Names of what can be the embeddings of a model."""
    return [
        name
        for name, array in arrays.items()
        if array.ndim == 2
        and np.issubdtype(array.dtype, np.floating)
        and not (name == ATTRIBUTES and NAMES in arrays)
        and not name.startswith(CURVES)
    ]


def _kept(
    path: Path, arrays: Mapping[str, NDArray[Any]], drop: Mapping[str, float], count: int
) -> tuple[NDArray[np.bool_], list[str]]:
    """Which rows stay, and what to say of the others."""
    kept = np.ones(count, bool)
    notes = []
    if not isinstance(drop, Mapping) or not all(isinstance(v, int | float) for v in drop.values()):
        raise FaceGeomError(f"drop must map columns to their largest values, got {drop!r}.")
    for name, largest in drop.items():
        column = arrays.get(name)
        if column is None or column.shape != (count,) or column.dtype.kind not in "iuf":
            raise FaceGeomError(f"drop names {name!r}, which is no column of numbers in {path}.")
        beyond = ~(column <= largest)  # what is not a number is not known to be small enough
        notes.append(f"{int(beyond.sum())} of {count} rows left out: {name} above {largest:g}")
        kept &= ~beyond
    return kept, notes
