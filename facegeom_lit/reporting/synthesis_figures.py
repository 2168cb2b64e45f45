"""Figures of a synthesis' quality: what was asked for against what is seen, and what leaks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from facegeom_lit.attributes import attribute
from facegeom_lit.reporting.style import ACCENT, AFTER, figure, words

_COLUMNS = 4


def following_figure(
    path: str | Path, pairs: Mapping[str, tuple[Tensor, Tensor]], titles: Mapping[str, str]
) -> None:
    """Draw one panel per attribute: a dot per image, and the line on which all should lie.

    Args:
        path: PNG to write.
        pairs: Requested and measured values (N,) by attribute.
        titles: What stands above each panel, after its name.
    """
    columns = min(_COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    with figure(path, 2.5 * columns + 0.4, 2.5 * rows + 0.4) as drawn:
        axes = np.atleast_1d(drawn.subplots(rows, columns, squeeze=False)).ravel()
        for axis in axes[len(pairs) :]:
            axis.set_visible(False)
        for axis, (name, (requested, measured)) in zip(axes, pairs.items(), strict=False):
            spec = attribute(name)
            low, high = float(requested.min()), float(requested.max())
            axis.plot([low, high], [low, high], color=AFTER, lw=1, zorder=3)
            alpha = min(0.7, max(0.15, 60 / len(requested)))  # many dots must not hide each other
            axis.plot(requested, measured, "o", color=ACCENT, ms=3.5, alpha=alpha, mew=0)
            axis.set_title(f"{words(name)}: {titles[name]}", fontsize=9)
            kind = "" if spec.kind == "facial" else "change, "
            axis.set_xlabel(f"{kind}{spec.unit}", fontsize=8)
            axis.tick_params(labelsize=7)
        drawn.supxlabel("requested", fontsize=9)
        drawn.supylabel("measured", fontsize=9)


def leakage_figure(path: str | Path, leakage: Tensor, names: tuple[str, ...], title: str) -> None:
    """Draw the leakage matrix with its numbers.

    Args:
        path: PNG to write.
        leakage: (A moved, A measured), in steps per step.
        names: The attributes.
        title: Stands above.
    """
    values = leakage.numpy()
    labels = [words(name) for name in names]
    with figure(path, 0.72 * len(names) + 2.4, 0.5 * len(names) + 1.8) as drawn:
        axis = drawn.subplots()
        axis.grid(False)
        image = axis.imshow(values, vmin=-1, vmax=1, cmap="RdBu_r", aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            axis.text(
                column,
                row,
                f"{value:+.2f}",
                ha="center",
                va="center",
                fontsize=8,
                fontweight="bold" if row == column else "normal",
                color="w" if abs(value) > 0.6 else "k",
            )
        axis.set_xticks(range(len(names)), labels, rotation=25, ha="right")
        axis.set_yticks(range(len(names)), labels)
        axis.set(xlabel="measured change, in its own steps", ylabel="moved by one step")
        axis.set_title(title)
        drawn.colorbar(image, ax=axis, shrink=0.9, extend="both")
