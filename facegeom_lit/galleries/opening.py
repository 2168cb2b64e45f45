"""One way to open galleries, whatever they are stored as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.formats.npy import NpyGallery
from facegeom_lit.galleries.formats.npz import NpzGallery
from facegeom_lit.galleries.formats.parquet import ParquetGallery
from facegeom_lit.galleries.formats.safetensors import SafetensorsGallery
from facegeom_lit.galleries.gallery import Gallery

FORMATS: dict[str, Callable[[Path, str | None], Gallery]] = {
    ".npy": NpyGallery,
    ".npz": NpzGallery,
    ".parquet": ParquetGallery,
    ".safetensors": SafetensorsGallery,
}
"""Suffix → what opens such a file."""


def format_of(path: Path) -> str:
    """Return the suffix that says how a file is written.

    Raises:
        FaceGeomError: When no format has it.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise FaceGeomError(
            f"{path} must end in one of {', '.join(FORMATS)}, which says its format."
        )
    return suffix


def open_gallery(path: str | Path, *, key: str | None = None) -> Gallery:
    """Open a file of embeddings. Nothing in it is unpickled, and no row is read yet.

    Args:
        path: A file `.npy`, `.npz`, `.parquet` or `.safetensors`.
        key: Name of the matrix (N, D), or of the Parquet column of lists; None: `embeddings` (of
            Parquet `embedding`), or else the only one that can be it.

    Raises:
        FaceGeomError: When the file is missing, damaged, or has no such matrix.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FaceGeomError(f"The gallery {path} does not exist, or is no file. Check the path.")
    gallery = FORMATS[format_of(path)](path, key)
    if not gallery.count or not gallery.dimension:
        raise FaceGeomError(f"The gallery {path} is empty: {gallery.count} × {gallery.dimension}.")
    return gallery
