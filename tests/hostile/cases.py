"""The list of hostile files: how each is made, and which public way in opens it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANARY = "canary"
"""A file that appears in a case's folder when something of the hostile file was run."""

Source = Path | Mapping[str, Any]
Build = Callable[[Path], Source]


@dataclass(frozen=True)
class Case:
    """One hostile file.

    Attributes:
        build: Makes it in an empty folder; returns what is opened.
        way: Key of `ways.WAYS`.
        named: What the message must name; "": the name of what is opened.
        harmless: Whether it may be read, its hostile part being left alone.
    """

    build: Build
    way: str
    named: str = ""
    harmless: bool = False


CASES: dict[str, Case] = {}


def add(name: str, way: str, build: Build, named: str = "", *, harmless: bool = False) -> None:
    """Put a case on the list."""
    name = f"{way}-{name}".replace(" ", "_")
    assert name not in CASES, name
    CASES[name] = Case(build, way, named, harmless)


def hostile(way: str, named: str = "", *, harmless: bool = False) -> Callable[[Build], Build]:
    """Put a builder on the list under its own name."""

    def register(build: Build) -> Build:
        add(build.__name__, way, build, named, harmless=harmless)
        return build

    return register


def written(name: str, content: Callable[[Path], bytes] | bytes) -> Build:
    """Return what writes one file; content may need the folder, for the canary."""

    def build(folder: Path) -> Path:
        data = content if isinstance(content, bytes) else content(folder)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        return folder / name

    return build
