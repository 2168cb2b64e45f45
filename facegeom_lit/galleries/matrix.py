"""Which array of a file holds the embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.gallery import EMBEDDINGS

FLOATS = ("float16", "float32", "float64")

Arrays = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and type of each array of a file."""


def matrix_name(path: Path, arrays: Arrays, key: str | None) -> str:
    """Return the name of the matrix of embeddings.

    Args:
        path: The file, for messages.
        arrays: What it holds.
        key: The name wanted; None: `embeddings`, or else the only floating-point matrix.

    Raises:
        FaceGeomError: When there is none, there are several, or the wanted one is no such matrix.
    """
    found = [name for name, (shape, kind) in arrays.items() if len(shape) == 2 and kind in FLOATS]
    key = EMBEDDINGS if key is None and EMBEDDINGS in arrays else key
    if key is None and len(found) == 1:
        return found[0]
    if key in found:
        return str(key)
    listed = ", ".join(f"{name} {kind} {shape}" for name, (shape, kind) in arrays.items()) or "none"
    if key is None:
        many = "several floating-point matrices" if found else "no floating-point matrix (N, D)"
        raise FaceGeomError(f"{path} has {many}: name the embeddings with key=…. It has: {listed}.")
    wrong = "is no matrix (N, D) of float16, float32 or float64" if key in arrays else "is missing"
    raise FaceGeomError(f"{path}: {key!r} {wrong}. It has: {listed}.")
