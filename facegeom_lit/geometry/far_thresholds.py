"""The score at which a false accept rate is reached, exact, from any number of pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegeom_lit.geometry.score_source import Scores
from facegeom_lit.geometry.streaming_roc import (
    RocCounts,
    admitted_impostors,
    key_scores,
    order_keys,
    rounded,
)

_HALF = 2**16


def far_thresholds(
    pairs: Scores, counts: RocCounts, fars: Sequence[float]
) -> dict[float, float | None]:
    """The impostor score of rank ⌊FAR · impostors⌋ + 1 from the top, by a second pass.

    A float32 has 32 bits in the order of its values. The first pass counted the upper 16; this
    one counts the lower 16 of those scores whose upper half is the right one. So the score is
    found exactly, in memory for 65,536 counts a rate.

    Args:
        pairs: The scored pairs.
        counts: What `roc_counts` counted of them.
        fars: False accept rates in (0, 1).

    Returns:
        For each rate the threshold: a pair is accepted when it scores strictly above. None where
        the impostor pairs do not support the rate.

    Example:
        >>> import torch
        >>> from facegeom_lit.geometry.score_source import ScoredPairs
        >>> from facegeom_lit.geometry.streaming_roc import roc_counts
        >>> scores, same = torch.tensor([0.9, 0.75, 0.5, 0.25]), torch.tensor([1, 0, 0, 0])
        >>> pairs = ScoredPairs(scores, same)
        >>> far_thresholds(pairs, roc_counts(pairs), [0.4, 0.1])
        {0.4: 0.5, 0.1: None}
    """
    below = np.concatenate([[0], counts.coarse.cumsum()])
    wanted: dict[float, tuple[int, int]] = {}  # rate → upper half of the key, rank within it
    for far in fars:
        admitted = admitted_impostors(far, counts.impostors)
        if admitted >= 1:
            rank = counts.impostors - 1 - admitted
            place = int(np.searchsorted(below, rank, side="right")) - 1
            wanted[far] = place - _HALF // 2, rank - int(below[place])
    lower = {high: np.zeros(_HALF, np.int64) for high, _ in wanted.values()}
    for tile in pairs.impostor() if lower else ():
        keys = order_keys(rounded(tile, counts.rounding))
        upper = keys >> 16
        for high, found in lower.items():
            found += np.bincount(keys[upper == high] & (_HALF - 1), minlength=_HALF)
    thresholds: dict[float, float | None] = dict.fromkeys(fars)
    for far, (high, rank) in wanted.items():
        low = int(np.searchsorted(lower[high].cumsum(), rank, side="right"))
        thresholds[far] = float(key_scores(np.array([high * _HALF + low], np.int32))[0])
    return thresholds
