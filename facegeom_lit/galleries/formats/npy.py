"""`.npy`: one matrix; what else is known of it stands in a JSON file beside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import read_json, write_json
from facegeom_lit.galleries.array_block import ArrayBlock, native
from facegeom_lit.galleries.gallery import EMBEDDINGS, MODEL, Gallery, Layout, Rows
from facegeom_lit.galleries.matrix import matrix_name
from facegeom_lit.galleries.output import Output

COLUMNS = "columns"
"""Key of the lists beside the facts, one value a row."""

_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class NpyGallery(Gallery):
    """A matrix in a `.npy` file; facts, and columns, in `<name>.json` beside it."""

    format = "npy"

    def __init__(self, path: Path, key: str | None = None) -> None:
        try:
            with path.open("rb") as file:
                shape, fortran, dtype = read_header(file, str(path))
                offset = file.tell()
        except OSError as error:
            raise FaceGeomError(f"Cannot read {path}: {error.strerror}.") from error
        name = matrix_name(path, {EMBEDDINGS: (shape, dtype.name)}, key)
        self._block = ArrayBlock(path, offset, (shape[0], shape[1]), dtype, fortran)
        facts, self._columns = read_sidecar(path)
        model = facts.pop(MODEL, None)
        super().__init__(path, name, Layout(shape[0], shape[1], native(dtype), model, facts))

    def column_names(self) -> tuple[str, ...]:
        """Names of the lists beside the file."""
        return tuple(self._columns)

    def column(self, name: str) -> NDArray[Any]:
        """Return a list beside the file as an array."""
        return np.asarray(self._columns[name])

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        return self._block.read(start, stop)

    def rewrite(self, output: Output, layout: Layout, rows: Rows) -> None:
        """Write the matrix; `write_sidecar` writes the rest."""
        write(output, layout, rows)

    def rewrite_sidecar(self, path: Path, layout: Layout) -> None:
        """Write what stands beside a rewritten file."""
        write_sidecar(path, layout, self._columns)


def read_header(file: BinaryIO | Any, what: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array; the file stands at its first value then.

    Returns:
        Shape, whether it is in Fortran order, and type of the values.

    Raises:
        FaceGeomError: When it is none, or the array holds pickled objects.
    """
    try:
        version = npy.read_magic(file)
        if version not in _READERS:
            raise ValueError(f"version {version} holds no plain numbers")
        shape, fortran, dtype = _READERS[version](file)
    except Exception as error:  # a damaged header fails in a dozen ways
        raise FaceGeomError(
            f"{what} is no NumPy array ({error}). Copy it again, or write it with numpy.save."
        ) from error
    if dtype.hasobject:
        raise FaceGeomError(
            f"{what} holds pickled Python objects, which could run any program: it is not read. "
            "Write it as numbers or as text (dtype str)."
        )
    if any(size < 0 for size in shape):
        raise FaceGeomError(f"{what} is damaged: it claims the shape {shape}. Copy it again.")
    return shape, fortran and len(shape) > 1, dtype


def write_header(output: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Write the header of an array in C order."""
    described = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(output, described)


def write(output: Output, layout: Layout, rows: Rows) -> None:
    """Write a matrix."""
    write_header(output, (layout.count, layout.dimension), layout.dtype)
    for chunk in rows:
        output.write(chunk)


def sidecar(path: Path) -> Path:
    """Return where the facts of a `.npy` file stand."""
    return path.with_suffix(".json")


def read_sidecar(path: Path) -> tuple[dict[str, str], dict[str, list[Any]]]:
    """Return the facts and columns that stand beside a `.npy` file; none where there is no file.

    Raises:
        FaceGeomError: When the file is no JSON object of text.
    """
    beside = sidecar(path)
    if not beside.is_file():
        return {}, {}
    found = read_json(beside)
    columns = found.pop(COLUMNS, {}) if isinstance(found, dict) else None
    if not isinstance(columns, dict) or not all(isinstance(v, list) for v in columns.values()):
        raise FaceGeomError(
            f'{beside} must be a JSON object of facts, e.g. {{"model": HASH}}, and lists in '
            f"{COLUMNS!r}. Mend it, or move it away."
        )
    return {k: v if isinstance(v, str) else str(v) for k, v in found.items()}, columns


def write_sidecar(path: Path, layout: Layout, columns: Mapping[str, list[Any]]) -> None:
    """Write facts and columns beside a `.npy` file, or nothing where there are none.

    Raises:
        FaceGeomError: When something else stands there, or the file cannot be written.
    """
    beside: dict[str, Any] = dict(layout.all_facts)
    if columns:
        beside[COLUMNS] = dict(columns)
    if not beside:
        return
    if sidecar(path).exists() and read_json(sidecar(path)) != beside:
        raise FaceGeomError(
            f"{sidecar(path)}, where the facts of {path.name} belong, holds something else. Move "
            "it away, then run the same command again."
        )
    write_json(sidecar(path), beside)
