"""A random number for each pair of points that no order of computation can change."""

from __future__ import annotations

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF


def pair_keys(rows: Tensor, columns: Tensor, seed: int = 0) -> Tensor:
    """Random keys of pairs: the neighbours with the smallest keys are a random choice of them.

    A hash of the two indexes and the seed, so that blocks of any size, on any device, in either
    order of the two points, see the same number.

    Args:
        rows: Indexes of points, shape (N,), int64, below 2³².
        columns: Indexes of points, shape (M,).
        seed: Of the draw.

    Returns:
        Shape (N, M), float32, uniform on multiples of 2⁻²⁴ in [0, 1).
    """
    first, second = rows.unsqueeze(1), columns.unsqueeze(0)
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    mixed = low * 0x9E3779B1 + high * 0x85EBCA77 + (seed * 0xC2B2AE3D & _WORD)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        mixed &= _WORD
        mixed ^= mixed >> shift
        mixed *= factor
    mixed &= _WORD
    mixed ^= mixed >> 15
    return (mixed >> 8).float().mul_(2.0**-24)
