"""Archives of NumPy arrays that others wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError

_RATIO, _SLACK = 50, 1 << 28
"""An archive may unpack to so many times its size, and to so many bytes more."""


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read every array of an `.npz` file. Nothing in it is unpickled.

    Args:
        path: The file.

    Returns:
        The arrays by name.

    Raises:
        FaceGeomError: When it is no such file, is damaged, holds objects, or unpacks to far more
            than it is.
    """
    path = Path(path)
    if not path.is_file():
        raise FaceGeomError(f"The file {path} does not exist. Check the path.")
    try:
        with ZipFile(path) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
        if claimed > _RATIO * path.stat().st_size + _SLACK:
            raise FaceGeomError(
                f"{path} would unpack to {claimed:,} bytes: it is damaged or made to fill the "
                "memory. Do not use it."
            )
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except FaceGeomError:
        raise
    except Exception as error:  # a damaged archive fails in a dozen ways
        raise FaceGeomError(
            f"{path} is no .npz file of plain arrays ({str(error) or type(error).__name__}). Write "
            "it with numpy.savez; arrays of objects are not read."
        ) from error
    if others := [name for name, array in found.items() if not isinstance(array, np.ndarray)]:
        raise FaceGeomError(f"{path} is no .npz file of plain arrays: {others[0]!r} is none.")
    return found
