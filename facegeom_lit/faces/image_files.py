"""The image files below a folder: one walk for all who read folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from facegeom_lit.errors import FaceGeomError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".pgm", ".ppm", ".tif", ".tiff"})


def is_image(path: str) -> bool:
    """Tell by its suffix whether a file is an image.

    Example:
        >>> is_image("ada/1.JPG"), is_image("ada/notes.txt")
        (True, False)
    """
    return os.path.splitext(path)[1].lower() in SUFFIXES


def files_below(root: str | Path) -> Iterator[str]:
    """Yield the files below a folder, each folder's entries in order of their names.

    Links to folders are followed, hidden files and folders left out. A link that leads nowhere is
    yielded, so that whoever reads it says so.

    Args:
        root: The folder.

    Yields:
        Paths relative to `root`, with `/`.

    Raises:
        FaceGeomError: When a folder cannot be read, or a link leads back to a folder above it.
    """
    return _walk(str(root), "", frozenset())


def _walk(root: str, below: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    folder = os.path.join(root, below)
    try:
        status = os.stat(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise FaceGeomError(
            f"Cannot read the folder {folder}: {error.strerror}. Give yourself the right to read "
            "it, or move it away: none is left out silently."
        ) from error
    here = (status.st_dev, status.st_ino)
    if here in above:
        raise FaceGeomError(f"{folder} leads back to a folder above it. Remove that link.")
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _walk(root, f"{below}{entry.name}/", above | {here})
        elif entry.is_symlink() or entry.is_file():
            yield f"{below}{entry.name}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
