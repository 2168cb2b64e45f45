"""Pictures of aligned crops: the first of a set, and its mean face on the template."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from facegeom_lit.faces.codec import decode
from facegeom_lit.reporting.style import ACCENT, AFTER, figure

_COLUMNS = 10
_CAPTION = 14
_LETTERS = 18  # of a caption


def crop_sheet(folder: Path, crops: Sequence[str], size: int = 112) -> Image.Image:
    """Draw crops beside each other, each with its name below.

    Args:
        folder: Of the crops.
        crops: Files in it.
        size: Pixels that a crop takes.
    """
    columns = min(_COLUMNS, len(crops))
    lines = -(-len(crops) // columns)
    sheet = Image.new("RGB", (columns * size, lines * (size + _CAPTION)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for number, crop in enumerate(crops):
        left, top = number % columns * size, number // columns * (size + _CAPTION)
        face = Image.fromarray(decode((folder / crop).read_bytes(), crop)).resize((size, size))
        sheet.paste(face, (left, top))
        name = crop if len(crop) <= _LETTERS else "…" + crop[1 - _LETTERS :]
        draw.text((left + size // 2, top + size), name, "black", font, anchor="ma")
    return sheet


def alignment_figure(
    path: str | Path,
    mean_face: NDArray[np.uint8],
    expected: NDArray[np.float64],
    found: NDArray[np.float64],
    title: str,
) -> None:
    """Draw the mean face of a set with the template's points and those found in its crops.

    Args:
        path: PNG to write.
        mean_face: uint8 (S, S, 3).
        expected: The template's five points (5, 2).
        found: Points of each crop (N, 5, 2), in its pixels.
        title: Stands above.
    """
    side = len(mean_face)
    with figure(path, 5.2, 5.6) as drawn:
        axis = drawn.subplots()
        axis.imshow(mean_face)
        axis.grid(False)
        shown = found[:: max(1, len(found) // 400)].reshape(-1, 2)
        axis.plot(*shown.T, "o", color=ACCENT, ms=3, alpha=0.5, mew=0, label="found, each crop")
        middle = np.median(found, 0) if len(found) else np.zeros((0, 2))
        axis.plot(*middle.T, "o", color=ACCENT, ms=7, mec="w", label="found, median")
        axis.plot(*expected.T, "+", color=AFTER, ms=13, mew=2.5, label="ArcFace template")
        axis.set_xlim(-0.5, side - 0.5)
        axis.set_ylim(side - 0.5, -0.5)
        axis.set_title(title, fontsize=9)
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=3, fontsize=8)
