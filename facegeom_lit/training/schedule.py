"""The learning-rate schedule: a head start for the head, a linear rise, a cosine fall."""

from __future__ import annotations

import math


def rate_factor(step: int, *, start: int, warmup: int, total: int) -> float:
    """Return the factor on a group's learning rate at optimiser step `step`.

    0 before `start` (the group is frozen), then a linear rise over `warmup` steps, then half a
    cosine that ends at 0 after step `total - 1`.

    Example:
        >>> [round(rate_factor(s, start=2, warmup=2, total=7), 2) for s in range(7)]
        [0.0, 0.0, 0.5, 1.0, 1.0, 0.75, 0.25]
    """
    if step < start:
        return 0.0
    step -= start
    if step < warmup:
        return (step + 1) / warmup
    remaining = max(1, total - start - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / remaining)))
