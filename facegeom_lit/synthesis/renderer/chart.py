"""The chart: a square map of all directions from the head's origin.

Lambert's equal-area azimuthal projection centred on the face, stretched so that the front, where
the features are, gets most of the texels. It needs no trigonometry and its only seam is the back
of the head, which no crop shows.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

SIZE = 192
_STRETCH = 0.25


@functools.cache
def axis() -> Tensor:
    """Equal-area coordinate of each texel column (and row), (SIZE,), in [-2, 2]."""
    grid = torch.linspace(-1.0, 1.0, SIZE)
    return grid / (0.5 + _STRETCH - _STRETCH * grid.abs())


@functools.cache
def directions() -> tuple[Tensor, Tensor, Tensor]:
    """Unit direction of each texel as three (SIZE, SIZE) planes x, y, z."""
    v, u = torch.meshgrid(axis(), axis(), indexing="ij")
    squared = (u * u + v * v).clamp(max=3.98)
    scale = torch.sqrt(1.0 - squared / 4.0) * torch.sqrt(squared / (u * u + v * v + 1e-9))
    return u * scale, v * scale, 1.0 - squared / 2.0


def project(x: float, y: float, z: float) -> tuple[float, float]:
    """Equal-area coordinates (u, v) of one point, as plain numbers."""
    length = (x * x + y * y + z * z) ** 0.5
    scale = (2.0 / (length * (length + z))) ** 0.5
    return x * scale, y * scale


def norm(vectors: Tensor) -> Tensor:
    """Length (...) of vectors (3, ...)."""
    x, y, z = vectors.unbind()
    return torch.addcmul(x * x, y, y).addcmul_(z, z).sqrt_()


def lookup(points: Tensor, length: Tensor) -> Tensor:
    """Sampling grid (1, H, W, 2) of the chart for points (3, H, W) of norm `length` (H, W)."""
    scale = torch.rsqrt((points[2] + length).mul_(length).mul_(0.5).clamp_(min=1e-4))
    flat = points[:2] * scale
    stretch = flat.abs().mul_(_STRETCH).add_(1.0)
    return flat.mul_(0.5 + _STRETCH).div_(stretch).permute(1, 2, 0)[None]


def sample(maps: Tensor, grid: Tensor) -> Tensor:
    """Sample (C, SIZE, SIZE) maps at a grid of `lookup`: (C, H, W)."""
    return grid_sample(
        maps[None], grid, mode="bilinear", padding_mode="border", align_corners=True
    )[0]
