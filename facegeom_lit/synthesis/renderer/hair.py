"""Hair: a layer on the scalp that recedes, greys, parts, curls, and grows to the shoulders."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.synthesis.renderer import chart
from facegeom_lit.synthesis.renderer.anatomy import Anatomy, Face, ramp
from facegeom_lit.synthesis.renderer.head import smooth_maximum
from facegeom_lit.synthesis.renderer.noise import noise
from facegeom_lit.synthesis.renderer.paint import Color, bell, edge, mix_colors, srgb

_COLORS = [srgb(20, 17, 16), srgb(56, 36, 25), srgb(104, 68, 40), srgb(172, 128, 76),
           srgb(232, 212, 168)]  # fmt: skip


def hair_color(face: Face) -> Color:
    """Colour of the hair on the head, greyed by age."""
    dyed = mix_colors(_COLORS, face["hair_color"])
    return mix_colors([dyed, srgb(186, 184, 182)], 0.72 * ramp(face["age"], 34.0, 86.0))


@dataclass(frozen=True)
class Hair:
    """Surface of head and hair, and how far inside the hairline each direction is."""

    radius: Tensor
    inside: Tensor


def grow_hair(scalp: Tensor, face: Face, a: Anatomy) -> Hair:
    """Add the hair of `face` to the head `scalp` (SIZE, SIZE).

    Returns:
        `radius` with the hair, and `inside`: signed distance (10 cm) to the hairline.
    """
    dx, dy, dz = chart.directions()
    length = face["hair_length"]
    x, y, z = dx * scalp, dy * scalp, dz * scalp
    ax = x.abs()
    bald = ramp(face["age"], 22.0, 85.0) * max(
        0.25 + 0.75 * face["balding"] + 0.3 * face["build"], 0.0
    )
    part = 0.22 * face["hair_parting"]
    # the face's opening in the hair: an arch over brows and temples
    height = a.hairline - 0.30 + 0.16 * bald
    peak = 0.05 * face["hairline_peak"] * bell((ax / 0.13) ** 2)
    corner = (0.07 + 0.10 * bald) * bell(((ax - 0.42) / 0.16) ** 2)
    fringe = max(face["hair_fringe"], 0.0) * ramp(length, 0.25, 0.55) * (1.0 - bald)
    swept = (0.55 + (x - part) * (1.1 if part < 0 else -1.1)).clamp_(0.0, 1.0)
    rise = (y - 0.30 + peak - corner + 0.27 * fringe * swept).clamp_(min=0.0) * (1.0 / height)
    wide = ax * (1.0 / 0.70)
    arch = torch.sqrt(rise * rise + (wide * wide).pow(1.6)) - 1.0
    top = arch * 0.55 - 0.35 * edge(y, 0.42, 0.18)
    # sides and back: behind the temples and ears, down to the nape or further
    long = ramp(length, 0.45, 0.95)
    front = 0.22 + 0.20 * long - 0.30 * (0.45 - y).clamp(0.0, 0.6) * (1.0 - long)
    flat = torch.rsqrt((dx * dx + dz * dz).clamp(min=1e-3))
    sides = front - 0.9 * dz * torch.lerp(torch.ones_like(dz), flat, edge(dy, -0.1, -0.4))
    hang = 0.84 + 0.05 * face["hair_volume"]
    curtain = torch.rsqrt(((dx / hang) ** 2 + (dz / (hang + 0.08)) ** 2).clamp_(min=0.12))
    low = 0.04 - 0.30 * ramp(length, 0.15, 0.5) - 2.0 * ramp(length, 0.5, 1.0)
    fall = torch.lerp(y, torch.minimum(y, curtain * dy), long)
    reach = fall - low + 0.32 * edge(dz, 0.0, -0.35)
    ear = bell(((z + 0.02) / 0.16) ** 2) * edge(y, 0.50, 0.34) * edge(y, -0.5, -0.3)
    hanging = torch.minimum(sides, reach) - 0.35 * ear * (1.0 - ramp(length, 0.4, 0.6))
    inside = smooth_maximum(top, hanging, 0.08)
    thick = 0.10 + 0.045 * face["hair_volume"] + 0.02 * face["hair_curl"]
    volume = 0.02 + thick * (0.35 * ramp(length, 0.05, 0.4) + 0.65 * ramp(length, 0.25, 0.8))
    cover = edge(inside, 0.02, 0.15) * ramp(length, 0.0, 0.2)
    crown = 1.0 + 0.7 * edge(y, 0.7, 1.2) * (1.0 - bald)
    grown = scalp + cover * (2.0 - cover) * crown * volume
    below = edge(dy, 0.25, -0.05) * long * edge(inside, 0.05, 0.12)
    grown = torch.lerp(grown, torch.maximum(grown, curtain.clamp(max=1.6)), below)
    return Hair(grown, inside)


def paint_hair(
    albedo: Tensor, inside: Tensor, x: Tensor, y: Tensor, z: Tensor, face: Face, shift: float
) -> tuple[Tensor, Tensor]:
    """Paint hair over `albedo` (3, H, W), in place.

    Args:
        albedo: Linear reflectance of what lies below.
        inside: Distance to the hairline (H, W) from `grow_hair`.
        x: Head coordinates (H, W) of the pixels' points.
        y: As `x`.
        z: As `x`.
        face: The sample.
        shift: Where in the noise its strands are read; nuisance.

    Returns:
        Mask of hair and strand relief, both (H, W).
    """
    length = face["hair_length"]
    part = 0.22 * face["hair_parting"]
    curl = max(face["hair_curl"], 0.0)
    from_part = x - part
    across = from_part / (from_part.abs() + (1.42 - y).clamp_(min=0.06)) * 60.0 + z * 34.0
    locks = noise(across * 0.28 - shift, y * 3.0 + 9.0 * curl * x)
    if curl > 0.0:
        phase = y * 24.0 + x * 9.0 + z * 12.0 + 2.2 * locks
        across = across + curl * (2.6 + locks) * torch.sin(phase)
    strands = noise(across + shift, y * (5.0 + 14.0 * curl) + z * (4.0 + 10.0 * curl))
    soft = 0.030 + 0.03 * (1.0 - ramp(length, 0.0, 0.3))
    mask = edge(inside + 0.012 * strands + 0.010 * locks, -soft, soft)
    mask *= min(1.0, 0.30 * ramp(length, -0.05, 0.05) + 0.8 * ramp(length, 0.03, 0.22))
    relief = (1.0 + 0.24 * strands + 0.22 * locks).clamp_(0.35, 1.8)
    color = hair_color(face)
    for plane, value in zip(albedo, color, strict=True):
        plane.lerp_(relief * value, mask)
    return mask, relief
