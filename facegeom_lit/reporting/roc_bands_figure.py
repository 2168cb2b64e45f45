"""ROC of several models on one set, with bootstrap bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes

from facegeom_lit.evaluation.result import Curve
from facegeom_lit.reporting.style import figure

COLORS = (
    "#2a6f97",
    "#c8553d",
    "#588157",
    "#8d5a97",
    "#d9a404",
    "#3d8f8f",
    "#7a8793",
    "#a3475f",
    "#5c6ac4",
    "#6b4f3a",
)


def roc_bands_figure(path: str | Path, curves: Mapping[str, Curve], title: str) -> None:
    """Draw true accept rate against false accept rate (logarithmic).

    Args:
        path: PNG to write.
        curves: Name of the model → its curve.
        title: Name of the set.
    """
    with figure(path, *size(len(curves))) as drawn:
        axis = drawn.subplots()
        for (name, curve), color in zip(curves.items(), colors(len(curves)), strict=True):
            axis.plot(curve.fars, curve.tars, color=color, label=name, lw=1.5)
            if curve.low is not None and curve.high is not None:
                axis.fill_between(curve.fars, curve.low, curve.high, color=color, alpha=0.14, lw=0)
        axis.set(xscale="log", xlabel="false accept rate", ylabel="true accept rate", title=title)
        axis.set_ylim(-0.005, 1.005)
        legend(axis, len(curves))


Corner = Literal["lower right", "upper right"]


def colors(count: int) -> Sequence[str]:
    """One color for each of `count` models; they come again beyond ten."""
    return [COLORS[index % len(COLORS)] for index in range(count)]


def size(count: int) -> tuple[float, float]:
    """Width and height in inches; many names stand beside the drawing."""
    return (5.4, 4.2) if count <= 4 else (7.6, 4.4)


def legend(axis: Axes, count: int, place: Corner = "lower right") -> None:
    """Name the models: inside where there are few."""
    if count <= 4:
        axis.legend(loc=place, fontsize=8)
    else:
        axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=7)
