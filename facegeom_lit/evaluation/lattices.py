"""The curves of a set: of a generated lattice, between measured values, or given in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.embedding_file import CURVES, EmbeddingFile
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.geometry.statistics import FEWEST

KEYS = ("curves", "fixed", "max_span")
"""What a configuration may say of curves between measured values, beside where the faces are."""


@dataclass(frozen=True)
class LatticeCurves:
    """Curves as rows of a table of embeddings.

    Attributes:
        rows: Rows at the three steps of each curve, int64 (C, 3), by attribute.
        identity: Index of each curve's person, int64 (C,), by attribute.
        people: Name of each person.
        notes: What a reader of results must know.
    """

    rows: dict[str, Tensor]
    identity: dict[str, Tensor]
    people: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def only(self, attributes: Sequence[str]) -> LatticeCurves | None:
        """The curves along some attributes; None without any."""
        rows = {name: found for name, found in self.rows.items() if name in attributes}
        identity = {name: self.identity[name] for name in rows}
        return LatticeCurves(rows, identity, self.people, self.notes) if rows else None

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and what so few people cannot give."""
        people = len(torch.cat(list(self.identity.values())).unique())
        few = []
        if people == 1:
            few.append("one person: nothing can be said of others, nor of identity leakage")
        elif people < FEWEST:
            few.append(f"{people} people: an interval needs {FEWEST}")
        return (*self.notes, *few)


@dataclass(frozen=True)
class MeasuredCurves:
    """Which curves to look for between measured values (`Lattice.from_values`).

    Attributes:
        attributes: What moves, one at a time; the others are held equal.
        fixed: What else must be equal within a curve.
        max_span: Largest difference between the ends of a curve, in the attribute's unit.
    """

    attributes: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    max_span: float | None = None

    @classmethod
    def taken_from(cls, source: Any, name: str) -> tuple[Any, MeasuredCurves | None]:
        """Part what a configuration says of curves from what it says of the faces.

        Args:
            source: A path, or a mapping with some of `KEYS`.
            name: Of the set, for messages.

        Returns:
            The source of the faces, and the curves; None where none are asked for.

        Raises:
            FaceGeomError: When a value is of the wrong kind.
        """
        if not isinstance(source, Mapping):
            return source, None
        given = {key: source[key] for key in KEYS if source.get(key) is not None}
        faces = {key: value for key, value in source.items() if key not in KEYS}
        if not given:
            return faces, None
        if "curves" not in given:
            raise FaceGeomError(
                f"data.{name}: {', '.join(given)} is of curves between measured values; name the "
                "attributes that move: curves: [ATTRIBUTE]."
            )
        names = {}
        for key in ("curves", "fixed"):
            listed = given.get(key, [])
            names[key] = [listed] if isinstance(listed, str) else listed
            if not isinstance(names[key], list) or not all(isinstance(n, str) for n in names[key]):
                raise FaceGeomError(f"data.{name}.{key} must be attributes, got {listed!r}.")
        span = given.get("max_span")
        number = isinstance(span, int | float) and not isinstance(span, bool)
        if span is not None and not (number and span > 0):
            raise FaceGeomError(f"data.{name}.max_span must be a number above 0, got {span!r}.")
        if both := sorted(set(names["curves"]) & set(names["fixed"])):
            raise FaceGeomError(f"data.{name}: {both[0]!r} cannot both move and be fixed.")
        return faces, cls(tuple(names["curves"]), tuple(names["fixed"]), span)


def face_set_curves(faces: FaceSet, measured: MeasuredCurves | None = None) -> LatticeCurves | None:
    """Find the curves of faces.

    Args:
        faces: A generated lattice, or any faces.
        measured: Which curves to look for between measured values; None: those of a generated
            lattice.

    Returns:
        The curves; None where none are asked for and the faces are no generated lattice.

    Raises:
        FaceGeomError: When the faces lack an attribute or have no such curve, or a generated
            lattice is not complete.
    """
    number = {name: index for index, name in enumerate(faces.classes)}
    found: dict[str, Tensor] = {}
    owners: dict[str, list[str]] = {}
    if measured is None:
        if not _is_lattice(faces):
            return None
        lattice = Lattice.from_face_set(faces)
        found, owners = lattice.curves, lattice.identity
        notes = ["curves: a generated lattice"]
    else:
        for name in measured.attributes:
            others = [other for other in measured.attributes if other != name]
            fixed = (*measured.fixed, *others)
            lattice = Lattice.from_values(faces, name, fixed, measured.max_span)
            found |= lattice.curves
            owners |= lattice.identity
        equal = f" at equal {', '.join(measured.fixed)}" if measured.fixed else ""
        span = "" if measured.max_span is None else f", span at most {measured.max_span:g}"
        notes = [f"curves: three neighbouring measured values{equal}{span}"]
    identity = {name: torch.tensor([number[who] for who in owners[name]]) for name in found}
    return LatticeCurves(found, identity, tuple(faces.classes), tuple(notes))


def _is_lattice(faces: FaceSet) -> bool:
    """Whether a row says that it is a step along an attribute at a node."""
    nodes, moving = faces.table["node"].to_numpy(), faces.table["moving"].to_pylist()
    return any(node >= 0 and name for node, name in zip(nodes, moving, strict=True))


def file_curves(file: EmbeddingFile) -> LatticeCurves | None:
    """Take the curves of a file of embeddings: arrays `curves_ATTRIBUTE` of rows, (C, 3).

    Args:
        file: The file; curves with a row that was left out are left out too.

    Returns:
        The curves; None where the file has none.

    Raises:
        FaceGeomError: When such an array has another shape or type, names rows that the file does
            not have, or a curve mixes people.
    """
    place = torch.from_numpy(np.where(file.kept, np.cumsum(file.kept) - 1, -1))
    rows, identity, notes = {}, {}, []
    for name, array in file.others.items():
        if not name.startswith(CURVES):
            continue
        attribute = name.removeprefix(CURVES)
        if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "iu" or not attribute:
            raise FaceGeomError(
                f"{file.path}: {name!r} must hold whole numbers (C, 3), the rows at the three "
                f"steps of each curve, got {array.dtype} of shape {array.shape}."
            )
        if beyond := np.flatnonzero(((array < 0) | (array >= len(file.kept))).any(1)).tolist():
            raise FaceGeomError(
                f"{file.path}: {name!r} names rows {array[beyond[0]].tolist()} in curve "
                f"{beyond[0]}, but there are {len(file.kept)} rows."
            )
        moved = place[torch.from_numpy(array.astype(np.int64))]
        whole = (moved >= 0).all(dim=1)
        if lost := int((~whole).sum()):
            notes.append(f"{lost} of {len(array)} curves left out with their rows ({attribute})")
        moved = moved[whole]
        owner = file.labels[moved]
        if mixed := (owner != owner[:, :1]).any(dim=1).nonzero().flatten().tolist():
            curve = int(whole.nonzero().flatten()[mixed[0]])
            raise FaceGeomError(
                f"{file.path}: curve {curve} of {name!r} mixes people: "
                f"{', '.join(file.people[i] for i in owner[mixed[0]].tolist())}."
            )
        if len(moved) == 0:
            raise FaceGeomError(f"{file.path}: no curve of {name!r} is left.")
        rows[attribute], identity[attribute] = moved, owner[:, 0].contiguous()
    return LatticeCurves(rows, identity, file.people, tuple(notes)) if rows else None
