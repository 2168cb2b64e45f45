"""Lattice strips: one node, each attribute moved both ways."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.reporting.style import figure, words

STEPS = ("a − δ", "a", "a + δ")


def lattice_figure(path: str | Path, lattice: Lattice, curves: Sequence[int] = (0, -1)) -> None:
    """Draw chosen curves of every attribute: a row per attribute, three images per curve.

    Args:
        path: PNG to write.
        lattice: The lattice.
        curves: Which curves, by position; those an attribute lacks are left blank.
    """
    names = lattice.attributes
    columns = 3 * len(curves)
    with figure(path, 1.05 * columns + 1.2, 1.1 * len(names) + 0.4) as drawn:
        axes = drawn.subplots(len(names), columns, squeeze=False)
        for row, name in enumerate(names):
            for block, curve in enumerate(curves):
                for step in range(3):
                    axis = axes[row][3 * block + step]
                    axis.set_axis_off()
                    if row == 0:
                        axis.set_title(STEPS[step], fontsize=8)
                    if -len(lattice.curves[name]) <= curve < len(lattice.curves[name]):
                        index = int(lattice.curves[name][curve, step])
                        axis.imshow(lattice.face_set.image(index))
            axes[row][0].text(
                -0.1,
                0.5,
                words(name),
                ha="right",
                va="center",
                transform=axes[row][0].transAxes,
            )
