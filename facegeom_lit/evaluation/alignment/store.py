"""Finished parts of a long alignment, kept so that a run that was killed goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from facegeom_lit import __version__
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.measure import Part
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.settings import AlignmentSettings
from facegeom_lit.files import read_json, write_json

FORMAT = 1
"""Raised where the same settings measure something else than before."""


def kept_part(folder: Path, key: str, measure: Callable[[], Part]) -> Part:
    """Read a part that was measured before, or measure and keep it.

    Args:
        folder: Of all parts.
        key: Of `part_key`.
        measure: Makes the part.

    Raises:
        FaceGeomError: When it cannot be measured or written.
    """
    path = folder / f"{key}.json"
    with suppress(FaceGeomError, KeyError, TypeError, ValueError):  # not there, or damaged
        found: Part = _typed(Part, read_json(path))
        return found
    part = measure()
    write_json(path, asdict(part))
    return part


def part_key(
    kind: str, models: Sequence[str], sets: Sequence[AlignmentSet], settings: AlignmentSettings
) -> str:
    """Hash all that a part depends on: embeddings, people, settings and the version.

    Args:
        kind: `set` or `pair`; the models of a set may be two.
        models: Whose embeddings the part is of.
        sets: On which it was measured.
        settings: What was measured.
    """
    facts = [
        [data.name, data.hash, [[name, data.spaces[name].hash] for name in models]] for data in sets
    ]
    text = json.dumps([FORMAT, kind, __version__, facts, asdict(settings)], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:32]


def _typed(kind: Any, value: Any) -> Any:
    """Make dataclasses, tuples and dictionaries of what JSON made of them."""
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        if set(value) != {field.name for field in fields(kind)}:
            raise TypeError(f"{kind.__name__} has other fields.")
        return kind(**{name: _typed(hints[name], each) for name, each in value.items()})
    if get_origin(kind) is tuple:
        return tuple(_typed(get_args(kind)[0], each) for each in value)
    if get_origin(kind) is dict:
        return {name: _typed(get_args(kind)[1], each) for name, each in value.items()}
    return value
