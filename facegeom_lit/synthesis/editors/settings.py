"""Checks of an editor's settings; every error names its key."""

from __future__ import annotations

import math
from typing import Any

from facegeom_lit.attributes import Editing
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.editors.pipelines import DTYPES, KEY


def check_whole(key: str, value: Any, low: int = 1) -> None:
    """Refuse what is not a whole number of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise FaceGeomError(f"{KEY}.{key} must be a whole number of at least {low}, got {value!r}.")


def check_size(key: str, value: Any, multiple: int) -> None:
    """Refuse a side that the pipeline's latents cannot have."""
    check_whole(key, value)
    if value % multiple:
        raise FaceGeomError(f"{KEY}.{key} must be a multiple of {multiple}, got {value}.")


def check_number(key: str, value: Any, low: float, high: float = math.inf) -> None:
    """Refuse what is not a finite number within [low, high]."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high or not math.isfinite(value):
        bounds = f"of at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise FaceGeomError(f"{KEY}.{key} must be a number {bounds}, got {value!r}.")


def check_dtype(value: Any) -> None:
    """Refuse an unknown number format."""
    if value not in DTYPES:
        raise FaceGeomError(f"{KEY}.dtype must be one of {', '.join(DTYPES)}, got {value!r}.")


def check_prompt(value: Any) -> None:
    """Refuse a prompt without a place for the attribute's wording."""
    if not isinstance(value, str) or "{wording}" not in value:
        raise FaceGeomError(
            f"{KEY}.prompt must hold {{wording}}, where an attribute's words go, got {value!r}."
        )


def wording(edit: Edit) -> Editing:
    """Return the words of the attribute that an edit moves.

    Raises:
        FaceGeomError: When it has none.
    """
    name, words = edit.attribute.name, edit.attribute.editing
    if words is None:
        raise FaceGeomError(
            f"attribute.{name}.editing is missing: an editor cannot be told how to move {name!r}. "
            f"Describe both ends of its range in conf/attribute/{name}.yaml, or, for an image "
            "attribute, use the image operator."
        )
    return words


def target(edit: Edit) -> tuple[str, str]:
    """Return the words of the end that an edit moves towards, and those of the other end."""
    words = wording(edit)
    ends = (words.positive, words.negative)
    return ends if edit.share > 0 else ends[::-1]
