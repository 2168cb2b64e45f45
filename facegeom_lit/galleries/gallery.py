"""What a file of embeddings is, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.finite import check_finite
from facegeom_lit.galleries.output import Output

MODEL = "model"
"""Name of the fact that says which face model made the embeddings."""
CARD = "card"
"""Name of the fact that says what that model is called."""
EMBEDDINGS = "embeddings"
"""Name of the matrix where a file can name it."""
LABELS = ("identity", "identities", "label", "labels", "id", "ids")
"""Names of a column that says who is who; the first that a file has is taken."""

Rows = Iterable[NDArray[Any]]
"""Consecutive chunks (n, D) of a matrix."""


@dataclass(frozen=True)
class Layout:
    """What a file says of its embeddings.

    Attributes:
        count: Number of embeddings, N.
        dimension: Of each, D.
        dtype: float16, float32 or float64 in the byte order of the machine.
        model: Hash of the face model that made them; None where the file does not know.
        facts: What else it knows, e.g. how they are compared.
    """

    count: int
    dimension: int
    dtype: np.dtype[Any]
    model: str | None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_facts(self) -> dict[str, str]:
        """Every fact by name, the model among them, in the order in which they are written."""
        known = {} if self.model is None else {MODEL: self.model}
        return {**known, **{name: self.facts[name] for name in sorted(self.facts)}}


class Gallery(ABC):
    """A file of embeddings, read a chunk at a time.

    Args:
        path: The file.
        key: Name of the matrix in it.
        layout: What it says of the matrix.
    """

    format: ClassVar[str]
    """Suffix of such files, without the dot."""
    appends: ClassVar[bool] = True
    """Whether a file is written from its first byte to its last, rows as they are in memory."""

    def __init__(self, path: Path, key: str, layout: Layout) -> None:
        self.path, self.key, self.layout = path, key, layout

    def __repr__(self) -> str:
        return f"Gallery({self.path}, {self.count} × {self.dimension} {self.dtype})"

    @property
    def count(self) -> int:
        """Number of embeddings, N."""
        return self.layout.count

    @property
    def dimension(self) -> int:
        """Of each embedding, D."""
        return self.layout.dimension

    @property
    def dtype(self) -> np.dtype[Any]:
        """float16, float32 or float64."""
        return self.layout.dtype

    @property
    def model(self) -> str | None:
        """Hash of the face model that made the embeddings; None where the file does not know."""
        return self.layout.model

    @property
    def facts(self) -> dict[str, str]:
        """What else the file knows of them."""
        return dict(self.layout.facts)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Read embeddings [start, stop), (n, D) of `dtype`, new memory.

        Raises:
            FaceGeomError: When the file ends too early, is damaged, or a value is not finite.
        """
        if not 0 <= start <= stop <= self.count:
            raise IndexError(f"{self.path} has rows [0, {self.count}), not [{start}, {stop}).")
        try:
            found = self._read(start, stop)
        except OSError as error:
            raise FaceGeomError(f"Cannot read {self.path}: {error.strerror or error}.") from error
        check_finite(found, str(self.path), start)
        return found

    def labels(self) -> NDArray[Any] | None:
        """Who each row shows, (N,) of text or whole numbers; None where the file does not say.

        Raises:
            FaceGeomError: When the column has another number of rows, or cannot be read.
        """
        name = next((name for name in LABELS if name in self.column_names()), None)
        if name is None:
            return None
        labels = self.column(name)
        if labels.shape != (self.count,):
            raise FaceGeomError(
                f"{self.path}: {name!r} has shape {labels.shape}, {self.key!r} has {self.count} "
                "rows. Write one label a row."
            )
        return labels

    @abstractmethod
    def column_names(self) -> tuple[str, ...]:
        """Names of what the file holds beside the embeddings and the facts."""

    @abstractmethod
    def column(self, name: str) -> NDArray[Any]:
        """Read one of `column_names` whole.

        Raises:
            FaceGeomError: When it cannot be read.
        """

    @abstractmethod
    def _read(self, start: int, stop: int) -> NDArray[Any]:
        """Read embeddings [start, stop), (n, D) of `dtype`."""

    @abstractmethod
    def rewrite(self, output: Output, layout: Layout, rows: Rows) -> None:
        """Write a file of the same format with other embeddings, and all else carried over.

        Args:
            output: Takes the bytes of the file in order.
            layout: What it shall say of the embeddings.
            rows: The embeddings in chunks (n, D) of the layout's dtype. Each is asked for when all
                before it is written.
        """

    def rewrite_sidecar(self, path: Path, layout: Layout) -> None:  # noqa: B027
        """Write what stands beside a rewritten file, where the format has no place for it."""
