"""Detection error trade-off of several models on one set, with bootstrap bands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from facegeom_lit.evaluation.result import Curve
from facegeom_lit.reporting.roc_bands_figure import colors, legend, size
from facegeom_lit.reporting.style import figure

TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99)
LOWEST = 5e-4
"""Smallest false reject rate that is drawn."""


def det_figure(path: str | Path, curves: Mapping[str, Curve], title: str) -> None:
    """Draw false reject rate against false accept rate, both on normal-deviate axes.

    Scores of normal distributions give straight lines there (Martin et al., Eurospeech 1997).

    Args:
        path: PNG to write.
        curves: Name of the model → its curve.
        title: Name of the set.
    """
    smallest = min(float(curve.fars[0]) for curve in curves.values())
    worst = max(float(1 - curve.tars.min()) for curve in curves.values())
    far_span = max(smallest, 1e-7), 0.5
    frr_span = LOWEST, min(max(worst, 0.05), 0.9) * 1.05
    with figure(path, *size(len(curves))) as drawn:
        axis = drawn.subplots()
        for (name, curve), color in zip(curves.items(), colors(len(curves)), strict=True):
            x = norm.ppf(curve.fars)
            axis.plot(x, deviate(1 - curve.tars, *frr_span), color=color, label=name, lw=1.5)
            if curve.low is not None and curve.high is not None:
                low, high = deviate(1 - curve.high, *frr_span), deviate(1 - curve.low, *frr_span)
                axis.fill_between(x, low, high, color=color, alpha=0.14, lw=0)
        for place, span in (("x", far_span), ("y", frr_span)):
            shown = [tick for tick in TICKS if span[0] <= tick <= span[1]]
            texts = [f"{tick:.0%}" if tick >= 0.01 else f"{tick:.0e}" for tick in shown]
            getattr(axis, f"set_{place}ticks")(norm.ppf(shown), texts)
            getattr(axis, f"set_{place}lim")(*norm.ppf(span))
        axis.set(xlabel="false accept rate", ylabel="false reject rate", title=title)
        axis.tick_params(axis="x", labelsize=8)
        legend(axis, len(curves), "upper right")


def deviate(rates: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Normal deviates of rates (F,), those outside [low, high] at its ends.

    Example:
        >>> deviate(np.array([0.5, 0.0]), 0.1, 0.9).round(2).tolist()
        [0.0, -1.28]
    """
    return norm.ppf(np.clip(rates, low, high))
