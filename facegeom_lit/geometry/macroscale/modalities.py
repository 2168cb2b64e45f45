"""What "with" and "without" an attribute mean: two values, or the outer thirds of many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["binary", "continuous"]

WITHOUT, BETWEEN, WITH, UNKNOWN = 0, 1, 2, -1
"""Levels of an image: without the attribute, in the middle third, with it, value unknown."""


@dataclass(frozen=True)
class Modalities:
    """One attribute, image by image.

    Args:
        kind: `binary` (two values) or `continuous` (more).
        level: `WITHOUT`, `BETWEEN` (continuous only), `WITH` or `UNKNOWN`, shape (N,), int64.
        scaled: Values on [-1, 1], the smallest at -1, the largest at 1; NaN where unknown.
    """

    kind: Kind
    level: Tensor
    scaled: Tensor

    @property
    def known(self) -> Tensor:
        """Whether the value is known, shape (N,)."""
        return self.level != UNKNOWN


def modalities(values: Tensor) -> Modalities | None:
    """Tell images with an attribute from images without.

    Two different values are a binary attribute: the larger one is "with". More are a continuous
    one: the top third of the images is "with", the bottom third "without" (cut at the terciles of
    the values; where many images share a tercile's value, the thirds are as even as ties allow).

    Args:
        values: One number for each image, shape (N,); NaN marks an unknown one.

    Returns:
        The modalities; None where fewer than two different values are known.
    """
    values = values.double()
    known = ~values.isnan()
    found = values[known]
    if not len(found):
        return None
    low, high = found.min(), found.max()
    if not bool(low < high):
        return None
    scaled = (values - low) * (2.0 / (high - low)) - 1.0
    level = torch.full_like(values, UNKNOWN, dtype=torch.int64)
    if bool(((found == low) | (found == high)).all()):
        level[known] = torch.where(found == high, WITH, WITHOUT)
        return Modalities("binary", level, scaled)
    # torch.quantile refuses more than 16 million values; a sort does not.
    ranked = found.sort().values
    first, second = ranked[(len(ranked) - 1) // 3], ranked[2 * (len(ranked) - 1) // 3]
    top = found > second if bool(second < high) else found >= second
    level[known] = torch.where(top, WITH, torch.where(found <= first, WITHOUT, BETWEEN))
    return Modalities("continuous", level, scaled)
