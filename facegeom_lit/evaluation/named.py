"""What stands under which name: models and sets as a configuration lists them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from facegeom_lit.errors import FaceGeomError


def named_sources(given: Any, key: str) -> dict[str, Any]:
    """Return sources by name.

    Args:
        given: A path, a mapping with `path`, a list of those, or a mapping of names to those; None
            for nothing.
        key: What messages call it.

    Raises:
        FaceGeomError: When two unnamed paths would have one name, or an entry has no path.

    Example:
        >>> named_sources(["/m/a.pth", "/m/b.onnx"], "model")
        {'a': '/m/a.pth', 'b': '/m/b.onnx'}
        >>> named_sources({"yale": {"path": "/y", "table": "t.csv"}}, "data")
        {'yale': {'path': '/y', 'table': 't.csv'}}
    """
    if isinstance(given, DictConfig | ListConfig):
        given = OmegaConf.to_container(given, resolve=True)
    if given is None:
        return {}
    if isinstance(given, Mapping) and "path" not in given:
        for name, source in given.items():
            if not source or not isinstance(source, str | Mapping):
                raise FaceGeomError(f"{key}.{name} must be a path, or a mapping with one.")
        return {str(name): source for name, source in given.items()}
    sources = given if isinstance(given, list) else [given]
    named: dict[str, Any] = {}
    for source in sources:
        if not source or not isinstance(source, str | Mapping):
            raise FaceGeomError(f"{key} must hold paths, got {source!r}.")
        name = _name(str(source["path"] if isinstance(source, Mapping) else source))
        if name in named:
            raise FaceGeomError(
                f"{key} has two entries that would be called {name!r}. Name them: "
                f"'{key}={{NAME: PATH, ...}}'."
            )
        named[name] = source
    return named


def _name(path: str) -> str:
    """Name of a file without its suffix, or of a folder; `model` alone tells nothing."""
    place = Path(path)
    name = place.name if place.is_dir() else place.stem
    generic = name in ("model", "backbone", "images", "crops112") and place.parent.name
    return place.parent.name if generic else name
