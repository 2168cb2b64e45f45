"""One fixed sheet of noise that skin, hair and cloth share; samples differ in where they read."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

_SIZE = 256


@functools.cache
def _sheet() -> Tensor:
    """(1, 1, _SIZE, _SIZE) noise of zero mean and unit deviation, two octaves."""
    generator = torch.Generator().manual_seed(20)
    fine = torch.randn(1, 1, _SIZE, _SIZE, generator=generator)
    coarse = torch.randn(1, 1, _SIZE // 2, _SIZE // 2, generator=generator)
    sheet = 0.6 * fine + interpolate(coarse, size=(_SIZE, _SIZE), mode="bicubic")
    return (sheet - sheet.mean()) / sheet.std()


def noise(x: Tensor, y: Tensor) -> Tensor:
    """Noise (H, W) read at texel coordinates `x`, `y` (H, W); smooth over about one unit."""
    grid = torch.empty(1, *x.shape, 2)
    torch.mul(x, 2.0 / _SIZE, out=grid[0, ..., 0])
    torch.mul(y, 2.0 / _SIZE, out=grid[0, ..., 1])
    return grid_sample(_sheet(), grid, padding_mode="reflection", align_corners=True)[0, 0]
