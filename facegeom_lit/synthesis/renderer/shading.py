"""Shading: what the eye sees of skin and hair under one soft key light and a sky."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.synthesis.renderer.camera import Pose
from facegeom_lit.synthesis.renderer.light import Lighting

_SCATTER = (0.34, 0.17, 0.11)  # light that skin carries past the terminator, by channel
_GLOSS = 0.055  # mirror-like part of bare skin
_SILK = 0.6  # the same for hair, in the colour of hair
_POLISH = 18.0  # sharpness of the highlights


@dataclass(frozen=True)
class Surface:
    """What the rays hit: `normal`, `albedo` (3, H, W); the others (H, W)."""

    normal: Tensor
    albedo: Tensor
    gloss: Tensor
    hairy: Tensor
    strands: Tensor
    openness: Tensor
    visibility: Tensor


def shade(surface: Surface, lighting: Lighting, view: Pose) -> Tensor:
    """Linear light (3, H, W) that `surface` sends to the camera.

    Wrapped diffuse light by channel (red goes furthest under the skin), a hemisphere of ambient
    light dimmed in hollows, and highlights where the normal halves light and view.
    """
    nx, ny, nz = surface.normal.unbind()

    def toward(direction: tuple[float, float, float]) -> Tensor:
        return nx * direction[0] + ny * direction[1] + nz * direction[2]

    seen, openness = surface.visibility, surface.openness
    light = view.to_head(lighting.direction)
    lit = toward(light)
    sky = toward(view.to_head((0.0, 1.0, 0.0))).mul_(0.5).add_(0.5)
    x, y, z = (a + b for a, b in zip(light, view.ahead, strict=True))
    norm = (x * x + y * y + z * z) ** 0.5
    mirror = toward((x / norm, y / norm, z / norm)).clamp_(min=0.0).pow_(_POLISH).mul_(seen)
    sheen = (1.0 - surface.hairy) * (_GLOSS * mirror + surface.gloss * (0.35 + 0.65 * seen))
    silk = _SILK * surface.hairy * surface.strands * mirror
    direct = seen * (0.5 + 0.5 * openness)
    shaded = torch.empty_like(surface.albedo)
    for c, wrap in enumerate(_SCATTER):
        diffuse = ((lit + wrap) * (1.0 / (1.0 + wrap))).clamp_(min=0.0).mul_(direct)
        ground = lighting.ground[c]
        ambient = (sky * (lighting.sky[c] - ground)).add_(ground).mul_(openness)
        total = diffuse.mul_(lighting.key[c]).add_(ambient).add_(silk)
        torch.mul(surface.albedo[c], total, out=shaded[c])
        shaded[c] += sheen
    return shaded
