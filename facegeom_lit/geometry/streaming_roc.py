"""The ROC of any number of pairs, exact, in bounded memory.

The scores of genuine pairs are few: they are kept, sorted. One pass over the impostor scores, tile
by tile, counts how many of them lie at or above, and strictly above, each genuine score. AUC, EER
and the TAR at every FAR follow from these counts alone, exactly and with ties counted, so that no
impostor score is ever kept. Memory grows with the genuine pairs and one tile.

Beyond `LIMIT` genuine pairs all scores are first rounded to `ROUNDING` of their reach (2⁻²⁰ for a
cosine), so that there are no more different ones than that; `RocCounts.rounding` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.score_source import ScoreTiles
from facegeom_lit.geometry.verification import FARS, rate_name

LIMIT = 2**22
"""So many different genuine scores are kept: about 120 MiB with their counts."""

ROUNDING = 2.0**-20
"""Beyond the limit: step to which scores are rounded, as a part of the largest possible one."""

Interpolation = Literal["none", "linear"]
Floats = NDArray[np.float32]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class RocCounts:
    """What the ROC of scored pairs follows from.

    Attributes:
        scores: The different scores of genuine pairs, increasing, float32 (K,).
        genuine: How many genuine pairs have each, int64 (K,).
        at_least: How many impostor pairs have that score or more, int64 (K,).
        above: How many have more, int64 (K,).
        genuines: Number of genuine pairs.
        impostors: Number of impostor pairs.
        coarse: Impostor pairs in each of the 65,536 bins that `coarse_edges` bounds.
        rounding: Step to which scores were rounded; 0: they were not.
    """

    scores: Floats
    genuine: Counts
    at_least: Counts
    above: Counts
    genuines: int
    impostors: int
    coarse: Counts
    rounding: float

    @property
    def smallest_far(self) -> float:
        """The smallest false accept rate that the impostor pairs support."""
        return 1 / self.impostors

    def auc(self) -> float:
        """The chance that a genuine pair scores above an impostor pair; equal ones count half."""
        beaten = self.impostors - (self.at_least + self.above) / 2
        return float(beaten @ self.genuine) / self.genuines / self.impostors

    def eer(self) -> float:
        """Where false accepts and false rejects are equally frequent, as `verification.eer`.

        Rejects rise only at genuine scores, so the crossing is at one of them, on the straight
        line across its step, or between two of them, where rejects stay level.
        """
        passed = self.genuine.cumsum()
        rejected = np.concatenate([[0.0], passed]) / self.genuines  # at k: scores before the k-th
        before, after = rejected[:-1], rejected[1:]
        accepted, left = self.at_least / self.impostors, self.above / self.impostors
        crossed = np.flatnonzero(after >= left)  # just above these scores
        if not len(crossed):
            return float(rejected[-1])  # every impostor scores above every genuine pair
        first = int(crossed[0])
        if before[first] >= accepted[first]:
            return float(before[first])  # between the score before and this one
        gap = accepted[first] - before[first]
        part = gap / (gap + after[first] - left[first])
        return float(before[first] + part * (after[first] - before[first]))

    def tar(self, far: float, interpolation: Interpolation = "none") -> float | None:
        """True accept rate at a false accept rate; None below `smallest_far`.

        Args:
            far: In (0, 1).
            interpolation: `none`: accept what scores strictly above the impostor of rank
                ⌊FAR · impostors⌋ + 1, so that the FAR in effect never exceeds the one asked for.
                `linear`: straight lines between the points of the ROC, as NumPy's `interp` of
                scikit-learn's `roc_curve`; another figure only where both kinds share scores.

        Raises:
            FaceGeomError: When an argument is out of range.
        """
        check_interpolation(interpolation)
        if not 0 < far < 1:
            raise FaceGeomError(f"A false accept rate must lie between 0 and 1, got {far}.")
        admitted = admitted_impostors(far, self.impostors)
        if admitted < 1:
            return None
        if interpolation == "none":
            return float(self.genuine[self.at_least <= admitted].sum()) / self.genuines
        # From the highest score down: past the impostors above a score, then across its own.
        taken = np.concatenate([[0], self.genuine[::-1].cumsum()])
        x = np.stack([self.above[::-1], self.at_least[::-1]], axis=1).ravel()
        y = np.stack([taken[:-1], taken[1:]], axis=1).ravel() / self.genuines
        accepted = max(far * self.impostors, admitted)
        return float(np.interp(accepted, [0, *x, self.impostors], [0, *y, 1]))

    def curve(self, fars: NDArray[np.float64]) -> NDArray[np.float64]:
        """True accept rates (F,) at many false accept rates (F,) at once, not interpolated."""
        taken = np.concatenate([[0], self.genuine[::-1].cumsum()]) / self.genuines
        admitted = np.floor(fars * self.impostors + 1e-9)
        return taken[np.searchsorted(self.at_least[::-1], admitted, side="right")]

    def impostors_below(self, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
        """How many impostor pairs score below each bound (B,).

        Exact at genuine scores and at the edges of the coarse bins, a straight line between.
        """
        finite = np.isfinite(_EDGES)
        places = np.concatenate([_EDGES[finite], self.scores]).astype(np.float64)
        below = np.concatenate([self.coarse.cumsum()[:-1][finite], self.impostors - self.at_least])
        order = np.lexsort([below, places])
        return np.interp(bounds, places[order], below[order])

    def measures(
        self, fars: Sequence[float] = FARS, interpolation: Interpolation = "none"
    ) -> dict[str, float | None]:
        """The measures of `verification.score_measures`: `auc`, `eer`, `tar@…`, counts."""
        found: dict[str, float | None] = {"auc": self.auc(), "eer": self.eer()}
        found |= {f"tar@{rate_name(far)}": self.tar(far, interpolation) for far in fars}
        return found | {"genuine": self.genuines, "impostor": self.impostors}


def roc_counts(pairs: ScoreTiles, limit: int = LIMIT) -> RocCounts:
    """Count impostor pairs around every genuine score, in one pass.

    Args:
        pairs: The scored pairs.
        limit: Genuine pairs beyond which scores are rounded first.

    Raises:
        FaceGeomError: When there are no genuine or no impostor pairs.
    """
    if not pairs.genuine_count or not pairs.impostor_count:
        raise FaceGeomError(
            f"Verification needs genuine and impostor pairs, got {pairs.genuine_count} and "
            f"{pairs.impostor_count}: give at least two identities, one of them with two images."
        )
    rounding = 0.0 if pairs.genuine_count <= limit else pairs.reach * ROUNDING
    scores, genuine = _distinct(pairs.genuine(), rounding, limit)
    at_least, above = np.zeros((2, len(scores)), np.int64)
    coarse, edges = np.zeros(len(_EDGES) + 1, np.int64), _EDGES
    for tile in sorted_tiles(pairs, rounding):
        at_least += len(tile) - np.searchsorted(tile, scores, side="left")
        above += len(tile) - np.searchsorted(tile, scores, side="right")
        coarse += np.diff(np.searchsorted(tile, edges), prepend=0, append=len(tile))
    return RocCounts(
        scores,
        genuine,
        at_least,
        above,
        int(genuine.sum()),
        int(coarse.sum()),
        coarse,
        rounding,
    )


def sorted_tiles(pairs: ScoreTiles, rounding: float) -> Iterator[Floats]:
    """Impostor scores, each tile sorted upwards (NumPy's sort of floats is vectorised)."""
    for tile in pairs.impostor():
        yield np.sort(rounded(tile, rounding))


def rounded(scores: Tensor, rounding: float) -> Floats:
    """Scores in NumPy, rounded to multiples of `rounding` unless that is 0, without a -0."""
    values = scores.cpu().numpy().astype(np.float32, copy=False)
    if rounding:
        values = (np.rint(values / rounding) * rounding).astype(np.float32)
    return values + np.float32(0)


def _distinct(tiles: Iterator[Tensor], rounding: float, limit: int) -> tuple[Floats, Counts]:
    """The different scores, increasing, and how often each stands there."""
    scores, counts = np.empty(0, np.float32), np.empty(0, np.int64)
    waiting: list[Floats] = []
    size = 0
    for tile in tiles:
        waiting.append(rounded(tile, rounding))
        size += len(tile)
        if size > limit:
            scores, counts = _merged(scores, counts, waiting)
            waiting, size = [], 0
    return _merged(scores, counts, waiting)


def _merged(scores: Floats, counts: Counts, waiting: list[Floats]) -> tuple[Floats, Counts]:
    new, times = np.unique(np.concatenate([*waiting, scores[:0]]), return_counts=True)
    values, places = np.unique(np.concatenate([scores, new]), return_inverse=True)
    total = np.zeros(len(values), np.int64)
    np.add.at(total, places, np.concatenate([counts, times]))
    return values, total


def admitted_impostors(far: float, impostors: int) -> int:
    """How many impostor pairs a false accept rate admits.

    The nudge undoes the rounding of, say, 0.1 · 30 = 3.0000000000000004 or 0.29 · 100 = 28.99….
    """
    return int(far * impostors + 1e-9)


def check_interpolation(interpolation: str) -> None:
    """Raise FaceGeomError unless the name is a known one."""
    if interpolation not in get_args(Interpolation):
        raise FaceGeomError(
            f"Argument `interpolation` must be one of {get_args(Interpolation)}, got "
            f"{interpolation!r}."
        )


def order_keys(scores: Floats) -> NDArray[np.int32]:
    """Whole numbers in the order of float32 scores, one for every value that a float32 can take."""
    bits = scores.view(np.int32)
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits)


def key_scores(keys: NDArray[np.int32]) -> Floats:
    """The inverse of `order_keys`."""
    return np.where(keys < 0, keys ^ np.int32(0x7FFFFFFF), keys).astype(np.int32).view(np.float32)


def coarse_edges() -> Floats:
    """Lower bounds of the coarse bins but for the first: where the upper 16 bits change."""
    keys = (np.arange(-(2**15) + 1, 2**15, dtype=np.int64) << 16).astype(np.int32)
    edges = key_scores(keys)
    # Beyond the infinities stand NaNs, which have no order.
    return np.where(np.isnan(edges), np.where(keys < 0, -np.inf, np.inf), edges).astype(np.float32)


_EDGES = coarse_edges()
