"""Light: normals, occlusion and shadow of the head's surface, baked into the chart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from facegeom_lit.synthesis.renderer import chart
from facegeom_lit.synthesis.renderer.camera import Point
from facegeom_lit.synthesis.renderer.paint import Color

_SHADOW_STEPS = 11


@dataclass(frozen=True)
class Lighting:
    """One soft key light and the sky around it, in view space and linear light."""

    azimuth: float
    elevation: float
    key: Color
    sky: Color
    ground: Color

    @property
    def direction(self) -> Point:
        """Unit vector towards the key light in view space."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        return math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)


def _difference(plane: Tensor, dim: int) -> Tensor:
    """Central difference along one axis with repeated borders."""
    ahead = torch.roll(plane, -1, dim)
    return ahead.sub_(torch.roll(plane, 1, dim))


def normals(position: Tensor) -> Tensor:
    """Unit normals (3, S, S) of a surface given by its points (3, S, S) over the chart."""
    across, along = _difference(position, 2), _difference(position, 1)
    planes = [across[i] * along[j] - across[j] * along[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    normal = torch.stack(planes)
    scale = torch.rsqrt((normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2).clamp_(min=1e-16))
    return normal.mul_(scale)


def occlusion(radius: Tensor) -> Tensor:
    """Openness to the sky (S, S) in [0, 1]: hollows against their surroundings are dark."""
    dark = torch.zeros_like(radius)
    for block, weight in ((4, 4.0), (8, 1.8), (16, 0.9)):
        mean = avg_pool2d(radius[None, None], block)
        smooth = interpolate(mean, size=radius.shape, mode="bilinear")[0, 0]
        dark += (smooth - radius).clamp_(0.0, 0.2).mul_(weight)
    return torch.exp(-dark)


def shadow(radius: Tensor, position: Tensor, normal: Tensor, light: Point) -> Tensor:
    """Visibility (S, S) in [0, 1] of a soft light in head direction `light`.

    Marches from each second texel towards the light; the narrowest clearance, relative to the
    distance walked, is how much of the light's disc is seen (I. Quilez, soft shadows by
    distance fields).
    """
    start = position[:, ::2, ::2] + 0.015 * normal[:, ::2, ::2]
    towards = torch.tensor(light)[:, None, None]
    seen = torch.ones_like(start[0])
    for step in range(_SHADOW_STEPS):
        walked = 0.03 * 1.32**step
        points = start + walked * towards
        length = chart.norm(points)
        clear = length - chart.sample(radius[None], chart.lookup(points, length))[0]
        seen = torch.minimum(seen, clear.mul_(5.5 / (walked + 0.06)).add_(0.62))
    full = seen.clamp_(0.0, 1.0)[None, None]
    smooth = avg_pool2d(full, 3, stride=1, padding=1, count_include_pad=False)
    return interpolate(smooth, size=radius.shape, mode="bilinear")[0, 0]
