"""Uncertainty over people of what bears no copies of them: groups of people left out in turn."""

from __future__ import annotations

import math

import torch
from scipy import stats
from torch import Tensor

from facegeom_lit.geometry.statistics import FEWEST, Interval

GROUPS = 32
"""Into at most so many groups people are put."""


def person_groups(labels: Tensor, seed: int = 0) -> Tensor:
    """Put people into `GROUPS` groups at random (fewer people: one each).

    Args:
        labels: Identity of each row, shape (N,).
        seed: Of the groups.

    Returns:
        Group of each row, int64 (N,).
    """
    people, dense = labels.cpu().unique(return_inverse=True)
    generator = torch.Generator().manual_seed(seed)
    return (torch.randperm(len(people), generator=generator) % GROUPS)[dense]


def jackknife_interval(
    value: float, left_out: Tensor, people: int, level: float, bounds: tuple[float, float]
) -> Interval:
    """Delete-a-group jackknife (Shao & Wu, Annals of Statistics 1989) with Student's t.

    A bootstrap draws people twice. Their images are then their own nearest neighbours and
    correlate perfectly, which no resampling weights undo for neighbours or unbiased sums.

    Args:
        value: Of everybody.
        left_out: The same without each group, shape (G,).
        people: How many people there are.
        level: Coverage in (0, 1).
        bounds: The interval is cut to these.

    Returns:
        The interval; without ends for fewer than `FEWEST` people.
    """
    count = len(left_out)
    if people < FEWEST or count < FEWEST:
        return Interval(value, None, None, people)
    squares = (left_out - left_out.mean()).square().sum()
    error = math.sqrt((count - 1) / count * float(squares))
    reach = float(stats.t.ppf((1 + level) / 2, count - 1)) * error
    lowest, highest = bounds
    return Interval(value, max(value - reach, lowest), min(value + reach, highest), people)
