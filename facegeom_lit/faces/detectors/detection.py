"""What a detector finds, and what it must offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face in a photo, in pixels of the upright photo (x right, y down).

    Attributes:
        box: (4,), left, top, right, bottom.
        score: The detector's confidence, in [0, 1].
        landmarks: (5, 2), in the order of `facegeom_lit.faces.crop.TEMPLATE`.
    """

    box: NDArray[np.float64]
    score: float
    landmarks: NDArray[np.float64]


class Detector(Protocol):
    """Finds faces.

    It travels to other processes, so it holds settings only, and loads its files when it is used.
    """

    def facts(self) -> dict[str, Any]:
        """Return all that decides what it finds: name, settings, hashes of files."""

    def check(self, photos: Sequence[str]) -> None:
        """Raise, before the work, what would go wrong with every photo.

        Args:
            photos: Their paths, relative to the folder of the photos, with `/`.
        """

    def detect(self, image: NDArray[np.uint8], path: str = "") -> list[Detection]:
        """Return the faces of a photo, the most confident first.

        Args:
            image: uint8 (H, W, 3), RGB, upright.
            path: Of the photo, as in `check`.
        """


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file.

    Raises:
        FaceGeomError: When it cannot be read.
    """
    try:
        with Path(path).open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FaceGeomError(f"Cannot read {path}: {error.strerror}.") from error


def graph_outputs(path: Path) -> list[str]:
    """Names of an ONNX file's outputs.

    Raises:
        FaceGeomError: When it is not there or is no ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise FaceGeomError(f"The detector {path} does not exist. Set detector.model to its file.")
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except (DecodeError, ValueError, OSError) as error:
        raise FaceGeomError(f"{path} is no ONNX file ({error}).") from error
    return [output.name for output in graph.output]
