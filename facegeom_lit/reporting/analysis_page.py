"""One Markdown page that joins the tables and the pictures of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_path

PAGE = "analysis.md"
LONGEST = 60
"""Rows of a table that a page shows; of a longer one it names the files."""
DIGITS = 3


@dataclass(frozen=True)
class Section:
    """A heading, what a reader must know, then tables and pictures.

    Attributes:
        heading: Of the section.
        text: Paragraphs in Markdown.
        tables: Name of the table (of `write_frame`, in the same folder) → its columns.
        pictures: Paths of pictures, relative to the folder → their captions.
    """

    heading: str
    text: str = ""
    tables: Mapping[str, Mapping[str, Sequence[Any]]] | None = None
    pictures: Mapping[str, str] | None = None


def write_page(
    folder: str | Path,
    title: str,
    sections: Sequence[Section],
    notes: Sequence[str] = (),
    *,
    page: str = PAGE,
) -> Path:
    """Write a page beside the files that it shows, whole or not at all.

    Args:
        folder: Where tables and pictures stand already.
        title: Of the page.
        sections: In their order.
        notes: Remarks at the end, each once.
        page: Name of the file.

    Returns:
        The page.

    Raises:
        FaceGeomError: When a picture is not there, or the page cannot be written.
    """
    folder = Path(folder)
    lines = [f"# {title}", ""]
    for section in sections:
        lines += [f"## {section.heading}", ""]
        if section.text:
            lines += [section.text, ""]
        for name, columns in (section.tables or {}).items():
            lines += [*_table(name, columns), ""]
        for picture, caption in (section.pictures or {}).items():
            if not (folder / picture).is_file():
                raise FaceGeomError(f"{folder / picture} does not exist. Draw it before the page.")
            lines += [f"![{_plain(caption)}]({quote(picture)})", ""]
    if notes:
        lines += ["## Notes", "", *(f"- {note}" for note in dict.fromkeys(notes)), ""]
    with atomic_path(folder / page) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    return folder / page


def _table(name: str, columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a table in Markdown with links to its files; of a long one the links alone."""
    files = ", ".join(f"[{end}]({quote(name)}.{end})" for end in ("csv", "parquet", "tex"))
    rows = list(zip(*columns.values(), strict=True))
    if len(rows) > LONGEST:
        return [f"{name}: {len(rows)} rows, {files}"]
    head = "| " + " | ".join(map(_plain, columns)) + " |"
    line = "|" + "---|" * len(columns)
    body = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return [head, line, *body, "", f"{name}: {files}"]


def _cell(value: Any) -> str:
    value = value.item() if hasattr(value, "item") else value
    if value is None or value != value:  # NaN is not equal to itself
        return "–"
    if isinstance(value, float):
        small = 0 < abs(value) < 0.5 * 10**-DIGITS
        return f"{value:.1e}" if small else f"{value:.{DIGITS}f}"
    return _plain(str(value))


def _plain(text: str) -> str:
    """Return text that Markdown shows as it stands, on one line of a table."""
    text = " ".join(text.split())
    for mark in "\\|*_[]<>`":
        text = text.replace(mark, "\\" + mark)
    return text
