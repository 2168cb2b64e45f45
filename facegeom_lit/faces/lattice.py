"""The lattice view of a face set: nodes, and curves along one attribute.

A curve is three images that differ in one attribute alone, at a - δ, a, a + δ (Leroy et al.,
*Attributes Shape the Embedding Space of Face Recognition Models*, ICML 2025, section 3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet


@dataclass(frozen=True)
class Lattice:
    """Curves of a face set, by attribute.

    Args:
        face_set: The images.
        curves: int64 (C, 3) per attribute: rows of the face set at a - δ, a, a + δ. In a generated
            lattice every attribute has one curve per node, in the same order of nodes, so row c of
            two attributes shares its middle image (unless gates refused some).
        identity: Identity of each curve, per attribute.
    """

    face_set: FaceSet
    curves: dict[str, Tensor]
    identity: dict[str, list[str]]

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that have curves."""
        return tuple(self.curves)

    @classmethod
    def from_face_set(cls, face_set: FaceSet, attributes: Sequence[str] | None = None) -> Lattice:
        """Read the columns `node`, `moving` and `step` of a generated lattice.

        Args:
            face_set: Rows with node -1 are no part of it.
            attributes: Which attributes; default: all that move, in order of appearance.

        Raises:
            FaceGeomError: When there is no node, an attribute never moves, a step comes twice or
                is missing. (Where gates refused images, curves that lack one are left out.)
        """
        nodes: dict[tuple[str, int], dict[tuple[str, int], int]] = defaultdict(dict)
        columns = (
            face_set.table[name].to_pylist() for name in ("identity", "node", "moving", "step")
        )
        for row, (who, node, moving, step) in enumerate(zip(*columns, strict=True)):
            if node < 0:
                continue
            if (moving, step) in nodes[who, node]:
                raise FaceGeomError(
                    f"Lattice: identity {who!r}, node {node}, attribute {moving or 'middle'!r}, "
                    f"step {step} comes twice. Make the face set again."
                )
            nodes[who, node][moving, step] = row
        moved = list(dict.fromkeys(m for rows in nodes.values() for m, _ in rows if m))
        if not moved:
            raise FaceGeomError(
                f"{face_set!r} is no lattice: no row has a node and a moving attribute. Generate "
                "one with kind=lattice, or build curves of real images with Lattice.from_values."
            )
        if unknown := [name for name in attributes or () if name not in moved]:
            raise FaceGeomError(f"No curve along {unknown[0]!r}. Curves: {', '.join(moved)}.")

        curves: dict[str, Tensor] = {}
        identity: dict[str, list[str]] = {}
        for name in attributes or moved:
            wanted = ((name, 0), ("", 1), (name, 2))
            found: list[list[int]] = []
            identity[name] = []
            for (who, node), rows in nodes.items():
                missing = [key for key in wanted if key not in rows]
                if not missing:
                    found.append([rows[key] for key in wanted])
                    identity[name].append(who)
                elif "gates" not in face_set.card:
                    raise FaceGeomError(
                        f"Lattice: identity {who!r}, node {node}, attribute {name!r} has no step "
                        f"{missing[0][1]}. Make the face set again, or leave that node out."
                    )
            curves[name] = torch.tensor(found, dtype=torch.int64).reshape(-1, 3)
        return cls(face_set, curves, identity)

    @classmethod
    def from_values(
        cls,
        face_set: FaceSet,
        attribute: str,
        fixed: Sequence[str] = (),
        max_span: float | None = None,
    ) -> Lattice:
        """Find curves in real images: three neighbouring values of one attribute.

        Args:
            face_set: Images with measured attribute values; rows without a value of `attribute`
                or of a fixed attribute are in no curve.
            attribute: The attribute that moves.
            fixed: Attributes that must be equal within a curve.
            max_span: Largest difference between the first and the last value of a curve, in the
                attribute's unit; None: any.

        Raises:
            FaceGeomError: When there is no such curve.
        """
        value = face_set.attribute(attribute).tolist()
        others = list(zip(*(face_set.attribute(name).tolist() for name in fixed), strict=True))
        groups: dict[tuple[str, tuple[float, ...]], dict[float, int]] = defaultdict(dict)
        for row, who in enumerate(face_set.identities):
            rest = others[row] if fixed else ()
            if value[row] == value[row] and all(v == v for v in rest):  # NaN: unknown
                groups[who, rest].setdefault(value[row], row)  # of equal images, the first
        curves, identity = [], []
        for (who, _), rows in groups.items():
            steps = list(pairwise(pairwise(sorted(rows))))
            for (low, middle), (_, high) in steps:
                if max_span is None or high - low <= max_span:
                    curves.append([rows[low], rows[middle], rows[high]])
                    identity.append(who)
        if not curves:
            raise FaceGeomError(
                f"{face_set!r} has no three neighbouring values of {attribute!r} at equal "
                f"{', '.join(('identity', *fixed))} within max_span={max_span}. Widen max_span, or "
                "fix fewer attributes."
            )
        return cls(face_set, {attribute: torch.tensor(curves)}, {attribute: identity})
