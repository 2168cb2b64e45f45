"""Text lists as data sets publish them: their lines, their tables and their numbers."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from facegeom_lit.errors import FaceGeomError

_DIGITS = 18
"""A whole number of so many digits fits into an int64."""


def read_text(path: Path) -> str:
    """Return a list's text; spreadsheets may put a byte-order mark before it.

    Raises:
        FaceGeomError: When it cannot be read, or is not UTF-8.
    """
    if path.exists() and not path.is_file():  # a pipe or a device may never end
        raise FaceGeomError(f"{path} is no file. Put the list there.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FaceGeomError(f"{path} is not UTF-8 ({error.reason}); save it as UTF-8.") from None
    except OSError as error:
        raise FaceGeomError(f"Cannot read {path}: {error.strerror}. Put the file there.") from None


def utf8(path: str) -> str:
    """Return a file's path if tables can hold it.

    Raises:
        FaceGeomError: When its name is not UTF-8.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise FaceGeomError(f"The name of {path!r} is not UTF-8. Rename the file.") from None
    return path


def whole(text: str) -> int | None:
    """Return the whole number that a text writes; None: it writes none, or a huge one.

    Example:
        >>> whole("12"), whole("-1"), whole("1.5"), whole("9" * 30)
        (12, -1, None, None)
    """
    digits = text[1:] if text.startswith("-") else text
    plain = digits.isascii() and digits.isdecimal() and len(digits) <= _DIGITS
    return int(text) if plain else None


def is_number(text: str) -> bool:
    """Whether a text writes a number.

    Example:
        >>> is_number("-1.5"), is_number("left")
        (True, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return True


class Table:
    """Comma-separated values with a line of column names.

    Args:
        path: The file.

    Attributes:
        columns: The names.

    Raises:
        FaceGeomError: When it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = csv.DictReader(StringIO(read_text(path), newline=""))
        try:
            self.columns = list(self._reader.fieldnames or ())
        except csv.Error as error:
            self._refuse(error)

    def require(self, *names: str) -> None:
        """Require columns.

        Raises:
            FaceGeomError: When one is missing.
        """
        if missing := [name for name in names if name not in self.columns]:
            raise FaceGeomError(
                f"{self.path} has no column {missing[0]!r}. Separated by commas, it has: "
                f"{', '.join(self.columns)}."
            )

    def __iter__(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the number of the line and the values by column; an absent one is empty."""
        try:
            for record in self._reader:
                if any(record.get(None) or ()):
                    raise FaceGeomError(
                        f"{self.path}, line {self._reader.line_num}: more values than columns. "
                        'Write quotation marks (") around a value that holds a comma.'
                    )
                yield self._reader.line_num, {name: record[name] or "" for name in self.columns}
        except csv.Error as error:
            self._refuse(error)

    def _refuse(self, error: csv.Error) -> None:
        raise FaceGeomError(
            f"{self.path}, below line {self._reader.line_num}: no comma-separated values ({error})."
        ) from error
