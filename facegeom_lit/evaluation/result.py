"""What one face model scored on one set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.geometry.statistics import Interval

Kind = Literal["pairs", "faces", "templates"]


@dataclass(frozen=True)
class Curve:
    """A ROC and the scores that it comes from, as figures draw them.

    Attributes:
        fars: False accept rates from the smallest supported one up, (F,).
        tars: True accept rate at each, (F,).
        low: Lower end of the interval of each, (F,); None without intervals.
        high: Upper end, (F,).
        bounds: Bounds of the bins of scores, (B + 1,).
        genuine: Share of genuine pairs in each bin, (B,).
        impostor: Share of impostor pairs, (B,).
    """

    fars: NDArray[np.float64]
    tars: NDArray[np.float64]
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None
    bounds: NDArray[np.float64]
    genuine: NDArray[np.float64]
    impostor: NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """What was measured.

    Attributes:
        kind: What the set consists of.
        figures: Each figure with its interval; None where the set does not support it.
        thresholds: Score at which each false accept rate is reached, by its figure; of
            `accuracy`, the score that is best on all pairs.
        facts: Numbers of images, people, pairs, and so on.
        curve: For the pictures.
        notes: What a reader must know.
        model: Name of the model.
        set: Name of the set.
    """

    kind: Kind
    figures: dict[str, Interval]
    thresholds: dict[str, float | None]
    facts: dict[str, float]
    curve: Curve
    notes: tuple[str, ...]
    model: str = ""
    set: str = ""

    def named(self, model: str, set: str, notes: tuple[str, ...]) -> Result:
        """Return the same figures with the names that they stand under in tables, and notes."""
        return replace(self, model=model, set=set, notes=notes)


def plain(value: float | None) -> Interval:
    """A figure without an interval."""
    return Interval(value, None, None, 0)
