"""Image files below a folder, found by the names that a published list gives them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.image_files import SUFFIXES, files_below, is_image
from facegeom_lit.faces.lists import utf8


def stem(path: str) -> str:
    """Return a relative path without its image suffix; other dots belong to the name.

    Example:
        >>> stem("a/b_0001.jpg"), stem("J._Lo_0001")
        ('a/b_0001', 'J._Lo_0001')
    """
    return os.path.splitext(path)[0] if is_image(path) else path


class ImageFolder:
    """The image files below `root`, whatever their suffix.

    Published lists name the original files; crops of them often have another suffix.

    Args:
        root: The folder.

    Raises:
        FaceGeomError: When there is no such folder, or an image's name is not UTF-8.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            raise FaceGeomError(f"The folder of images {self.root} does not exist.")
        self._by_stem: dict[str, list[str]] = {}
        for path in filter(is_image, files_below(self.root)):
            self._by_stem.setdefault(stem(utf8(path)), []).append(path)

    def __len__(self) -> int:
        """Return the number of names, whatever their suffixes."""
        return len(self._by_stem)

    def find(self, listed: Sequence[str], where: str) -> list[str]:
        """Return the file of each listed image, relative to `root`.

        Args:
            listed: Relative paths; the suffix may be another than the file's, or absent.
            where: What lists them, for messages.

        Raises:
            FaceGeomError: When images are missing (how many, and the first ten), or one name
                stands for two files.
        """
        keys = [stem(name) for name in listed]
        missing = [name for name, key in zip(listed, keys, strict=True) if key not in self._by_stem]
        if missing:
            missing = list(dict.fromkeys(missing))
            raise FaceGeomError(
                f"{where}: {len(missing)} of {len(set(listed))} images are not in {self.root}: "
                f"{', '.join(missing[:10])}{', ...' if len(missing) > 10 else ''}. Put them there; "
                "none is left out."
            )
        return [
            self._file(name, self._by_stem[key]) for name, key in zip(listed, keys, strict=True)
        ]

    def unlisted(self, listed: Iterable[str]) -> list[str]:
        """Return the files that no listed name stands for."""
        known = {stem(name) for name in listed}
        return [path for key, paths in self._by_stem.items() if key not in known for path in paths]

    def _file(self, name: str, found: list[str]) -> str:
        """Return the file that a name stands for among those of its stem."""
        if len(found) == 1:
            return found[0]
        if name in found:
            return name
        raise FaceGeomError(
            f"{self.root}: {name} may be {' or '.join(found)}. Remove one of them, or keep each "
            "kind in a folder of its own."
        )


def folder_with(root: Path, image: str) -> Path | None:
    """Return `root` or the sub-folder of it in which an image stands; None: neither does.

    Args:
        root: Where a list stands.
        image: Relative path of an image that it names, with any suffix or none.
    """
    if not root.is_dir():
        return None
    below = sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith("."))
    ends = [end for suffix in sorted(SUFFIXES) for end in (suffix, suffix.upper())]
    for folder in (root, *below):
        if any(os.path.isfile(folder / f"{stem(image)}{end}") for end in ends):
            return folder
    return None
