"""Formats of faces: how each is recognised, and the choice of one for a file or folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.pairs import PairSet
from facegeom_lit.faces.sizes import NOTES
from facegeom_lit.faces.template_set import TemplateSet

EvaluationSet = FaceSet | PairSet | TemplateSet
"""What can be evaluated: all pairs of a face set, given pairs, or templates."""

FOLDERS = "folders"
"""The reading that nearly every folder of images fits: never noted as another one."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where faces are, as a configuration says it.

    Args:
        path: File or folder.
        kind: Key of the reading to take; None: the first that fits.
        pairs: A list of pairs.
        table: A table of labels.
        images: Folder of the images.
        protocol: `FP` or `FF`, of CFP.
        embeddings: Embeddings that are given instead of images, of IJB.
        image: Column of the images in a Parquet table.
        identity: Column of the people in a Parquet table.
        attributes: Whether the columns of numbers in a table of labels are attributes.
    """

    path: Path
    kind: str | None = None
    pairs: Path | None = None
    table: Path | None = None
    images: Path | None = None
    protocol: str | None = None
    embeddings: Path | None = None
    image: str | None = None
    identity: str | None = None
    attributes: bool = False

    @classmethod
    def of(cls, given: str | Path | Mapping[str, Any]) -> Source:
        """Read a path, or a mapping of the arguments; a list of pairs may stand for the path.

        Relative paths are below `path`, or beside it, where they exist there.

        Raises:
            FaceGeomError: When a key is unknown, or there is no path.
        """
        keys = dict(given) if isinstance(given, Mapping) else {"path": given}
        keys = {key: value for key, value in keys.items() if value is not None}
        if unknown := sorted(keys.keys() - cls.__dataclass_fields__.keys()):
            raise FaceGeomError(
                f"A set of faces has no key {unknown[0]!r}. Known: "
                f"{', '.join(cls.__dataclass_fields__)}."
            )
        if not keys.keys() & {"path", "pairs"}:
            raise FaceGeomError(f"The set of faces {keys} has no path: give path=….")
        path = Path(str(keys.get("path", keys.get("pairs")))).expanduser()
        if not path.exists():
            raise FaceGeomError(f"{path} does not exist. Give the file or folder of the faces.")
        base = path if path.is_dir() else path.parent
        for key in {"pairs", "table", "images", "embeddings"} & keys.keys():
            value = Path(str(keys[key])).expanduser()
            keys[key] = base / value if (base / value).exists() else value
        return cls(**{**keys, "path": path})

    @property
    def options(self) -> set[str]:
        """The keys given beside path and kind that only some readings know."""
        keys = self.__dataclass_fields__.keys() - {"path", "kind", "attributes"}
        return {key for key in keys if getattr(self, key) is not None}


@dataclass(frozen=True, slots=True)
class Reading:
    """One format.

    Args:
        sign: What it is recognised by, for messages.
        fits: Whether a source looks like it.
        read: Reads it; the second argument is the name of the set, None for its own.
        options: Which keys of a source beside path and kind it reads.
    """

    sign: str
    fits: Callable[[Source], bool]
    read: Callable[[Source, str | None], EvaluationSet]
    options: frozenset[str] = frozenset()


def read_first(
    source: Source, readings: Mapping[str, Reading], name: str | None = None
) -> EvaluationSet:
    """Take the reading that `source.kind` names, or the first that fits, and note the others.

    Args:
        source: Where the faces are.
        readings: By kind, the most telling first.
        name: Name of the set.

    Raises:
        FaceGeomError: When none fits: the message lists what was looked for.
    """
    if source.kind is not None and source.kind not in readings:
        raise FaceGeomError(f"kind={source.kind} is none of {', '.join(readings)}.")
    fitting = [
        kind
        for kind, reading in readings.items()
        if source.options <= reading.options
        and (kind == source.kind or (source.kind is None and reading.fits(source)))
    ]
    if not fitting:
        _refuse(source, readings)
    found = readings[fitting[0]].read(source, name)
    others = [f"kind={kind}" for kind in fitting[1:] if kind != FOLDERS]
    if not others:
        return found
    note = f"{source.path} was read as kind={fitting[0]}; {', '.join(others)} would fit too"
    if isinstance(found, FaceSet):
        found.card[NOTES] = [*found.card.get(NOTES, []), note]
        return found
    return replace(found, notes=(*found.notes, note))


def _refuse(source: Source, readings: Mapping[str, Reading]) -> None:
    """Say what was looked for."""
    kinds = [source.kind] if source.kind else list(readings)
    looked = []
    for kind in kinds:
        options = ", ".join(sorted(readings[kind].options))
        looked.append(
            f"  {kind}: {readings[kind].sign}" + (f"; reads {options}" if options else "")
        )
    given = f" with {', '.join(sorted(source.options))}" if source.options else ""
    raise FaceGeomError(
        f"{source.path}{given} is nothing that is read here. Looked for, by kind:\n"
        + "\n".join(looked)
    )
