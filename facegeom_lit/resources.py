"""Where the configuration and the embedded data stand: in a checkout, or in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Return the folder `name` (`conf` or `data`), inside the wheel or beside the package.

    Raises:
        FileNotFoundError: When the installation lacks the folder.
    """
    for parent in (_PACKAGE, _PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise FileNotFoundError(f"The installation of facegeom_lit has no folder {name!r}; reinstall.")
