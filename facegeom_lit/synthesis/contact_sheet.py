"""A face set at a glance: people by images, or lattice nodes by attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice

_MARGIN = 92  # room for the label of a line
_CAPTION = 16  # room for the value below an image
_GAP = 12  # between two nodes

Cell = tuple[int, str] | None  # row of the face set and caption; None leaves a gap


def contact_sheet(face_set: FaceSet, lines: int = 10, columns: int = 10) -> Image.Image:
    """Draw some images of a face set, labelled.

    Args:
        face_set: A lattice (recognised by its nodes) or a plain set.
        lines: People shown of a plain set.
        columns: Images of each person, evenly chosen; of a lattice a third as many nodes.
    """
    if max(face_set.table["node"].to_pylist()) >= 0:
        return _draw(face_set, *_lattice_cells(face_set, max(1, columns // 3)))
    return _draw(face_set, *_training_cells(face_set, lines, columns))


def _lattice_cells(face_set: FaceSet, nodes: int) -> tuple[list[str], list[list[Cell]]]:
    """One line per attribute; the three steps of each chosen node beside each other."""
    lattice = Lattice.from_face_set(face_set)
    grid: list[list[Cell]] = []
    for name in lattice.attributes:
        curves, values = lattice.curves[name], face_set.attribute(name)
        line: list[Cell] = []
        for curve in np.linspace(0, len(curves) - 1, min(nodes, len(curves))).astype(int):
            rows = curves[curve].tolist()
            line += [(row, f"{values[row]:.4g}") for row in rows] + [None]
        grid.append(line)
    return list(lattice.attributes), grid


def _training_cells(
    face_set: FaceSet, lines: int, columns: int
) -> tuple[list[str], list[list[Cell]]]:
    """One line per person, captioned with the targeted attribute where there is one."""
    target = face_set.card.get("production", {}).get("attribute")
    values = face_set.attribute(target) if target else None
    people = np.array(face_set.identities)
    names = [str(name) for name in face_set.classes[:lines]]
    grid: list[list[Cell]] = []
    for name in names:
        rows = np.flatnonzero(people == name)
        chosen = rows[np.linspace(0, len(rows) - 1, min(columns, len(rows))).astype(int)]
        grid.append(
            [(int(row), "" if values is None else f"{target} {values[row]:.4g}") for row in chosen]
        )
    return names, grid


def _draw(face_set: FaceSet, labels: Sequence[str], grid: Sequence[Sequence[Cell]]) -> Image.Image:
    height, width = face_set.image(0).shape[:2]
    extent = max(sum(_GAP if cell is None else width for cell in line) for line in grid)
    sheet = Image.new("RGB", (_MARGIN + extent, len(grid) * (height + _CAPTION)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, (label, line) in enumerate(zip(labels, grid, strict=True)):
        left, top = _MARGIN, number * (height + _CAPTION)
        draw.text((4, top + height // 2), label, "black", font)
        for cell in line:
            if cell is None:
                left += _GAP
                continue
            row, caption = cell
            sheet.paste(Image.fromarray(face_set.image(row)), (left, top))
            draw.text((left + width // 2, top + height + 1), caption, "black", font, anchor="ma")
            left += width
    return sheet
