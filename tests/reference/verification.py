"""Verification measures by looking at every threshold or every pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def auc(genuine: Array, impostor: Array) -> float:
    wins = (genuine[:, None] > impostor).mean()
    return float(wins + (genuine[:, None] == impostor).mean() / 2)


def eer(genuine: Array, impostor: Array) -> float:
    """Walk the ROC from accepting all to rejecting all; straight line over the crossing step."""
    thresholds = [*sorted({*genuine, *impostor}), np.inf]
    walk = [((genuine < t).mean(), (impostor >= t).mean()) for t in thresholds]
    for (frr0, far0), (frr1, far1) in zip([walk[0], *walk], walk, strict=False):
        if frr1 >= far1:
            if frr0 >= far0:
                return float(frr0)
            part = (far0 - frr0) / (far0 - frr0 + frr1 - far1)
            return float(frr0 + part * (frr1 - frr0))
    raise AssertionError("the walk ends with everything rejected")


def tar(genuine: Array, impostor: Array, far: float) -> float:
    """The best TAR of any threshold whose FAR does not exceed `far` (accept: score > threshold)."""
    thresholds = [-np.inf, *impostor]
    allowed = [t for t in thresholds if (impostor > t).mean() <= far + 1e-12]
    return float(max((genuine > t).mean() for t in allowed))
