"""Receiver operating characteristic of the verification set, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.reporting.style import AFTER, BEFORE, figure

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]
"""False and true accept rates, ascending."""


def roc_figure(path: str | Path, curves: Mapping[str, Curve], title: str) -> None:
    """Draw true accept rate against false accept rate (logarithmic).

    Args:
        path: PNG to write.
        curves: Model's name → (FAR, TAR), in the order before, after.
        title: Name of the verification set.
    """
    with figure(path, 4.6, 3.6) as drawn:
        axis = drawn.subplots()
        colors = (BEFORE, AFTER) if len(curves) > 1 else (AFTER,)
        for (name, (far, tar)), color in zip(curves.items(), colors, strict=True):
            seen = far > 0
            axis.plot(far[seen], tar[seen], color=color, label=name, lw=1.8)
        axis.set(xscale="log", xlabel="false accept rate", ylabel="true accept rate", title=title)
        axis.set_ylim(top=1.005)
        axis.legend(loc="lower right")
