"""Who of a set has an attribute, among the people who fit and among those who judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.geometry.macroscale.modalities import WITH, WITHOUT, modalities
from facegeom_lit.geometry.macroscale.probes import FOLDS as FEWEST_PEOPLE


@dataclass(frozen=True)
class Side:
    """Images of the fitting or of the judging people that have an attribute or lack it.

    Images whose value is unknown, or in the middle third of a continuous attribute, are in none.

    Attributes:
        images: Which of the fitting (judging) images these are, int64 (M,).
        positive: Whether each has the attribute, bool (M,).
        identity: Person of each, int64 (M,).
    """

    images: Tensor
    positive: Tensor
    identity: Tensor

    @property
    def people(self) -> int:
        """With an image that has it, or with an image that lacks it: the fewer of the two."""
        return min(len(self.identity[self.positive == side].unique()) for side in (True, False))


@dataclass(frozen=True)
class Sides:
    """An attribute among those who fit, and among those who judge."""

    fit: Side
    judge: Side

    @property
    def people(self) -> int:
        """The fewest people with it or without it, on either side."""
        return min(self.fit.people, self.judge.people)

    @property
    def evenness(self) -> float:
        """The smaller share of the images, with or without it, in [0, 0.5]."""
        positive = torch.cat([self.fit.positive, self.judge.positive]).double()
        share = float(positive.mean()) if len(positive) else 0.0
        return min(share, 1 - share)


def attribute_sides(data: AlignmentSet) -> dict[str, Sides]:
    """Every labelled attribute of a set, whether or not it is of enough people."""
    if data.labelled is None:
        return {}
    found = {}
    for name, values in data.labelled.values.items():
        known = modalities(values)
        level = torch.full((len(values),), -1) if known is None else known.level
        found[name] = Sides(_side(data, level, data.fit), _side(data, level, data.judging.rows))
    return found


def readable(
    data: AlignmentSet, wanted: Sequence[str] | int | None
) -> tuple[dict[str, Sides], dict[str, int]]:
    """The attributes of a set that a probe can be trained on and judged by.

    Args:
        data: The set.
        wanted: Their names; None: all; a number: so many, the most evenly divided ones.

    Returns:
        Those with images of at least `FEWEST_PEOPLE` people with and as many without on either
        side, in the set's order; and of the others that are wanted, how many people they have.
    """
    every = attribute_sides(data)
    named = [n for n in every if wanted is None or isinstance(wanted, int) or n in wanted]
    enough = [name for name in named if every[name].people >= FEWEST_PEOPLE]
    few = {name: every[name].people for name in named if name not in enough}
    if isinstance(wanted, int):
        most_even = sorted(enough, key=lambda name: -every[name].evenness)[:wanted]
        enough = [name for name in enough if name in most_even]
    return {name: every[name] for name in enough}, few


def _side(data: AlignmentSet, level: Tensor, rows: Tensor) -> Side:
    own = level[rows]
    images = ((own == WITH) | (own == WITHOUT)).nonzero().flatten()
    return Side(images, own[images] == WITH, data.labels[rows[images]])
