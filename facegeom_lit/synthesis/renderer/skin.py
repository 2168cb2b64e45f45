"""Skin: tone, redness, pores, freckles, mole, nostrils, wrinkles, stubble and beard."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.synthesis.renderer.anatomy import Anatomy, Face
from facegeom_lit.synthesis.renderer.brows import brow_color
from facegeom_lit.synthesis.renderer.noise import noise
from facegeom_lit.synthesis.renderer.paint import (
    Color,
    bell,
    blob,
    edge,
    mix_colors,
    srgb,
    tint,
)

_TONES = [srgb(250, 218, 200), srgb(236, 190, 162), srgb(214, 160, 124), srgb(176, 118, 82),
          srgb(136, 88, 60), srgb(92, 58, 42)]  # fmt: skip


def skin_color(face: Face) -> Color:
    """Base reflectance of the skin."""
    red, green, blue = mix_colors(_TONES, face["skin_tone"])
    warm = 0.07 * face["skin_undertone"]
    flush = 0.05 * face["skin_redness"]
    return red, green * (1.0 - flush), blue * (1.0 - warm - flush)


def paint_skin(x: Tensor, y: Tensor, z: Tensor, face: Face, a: Anatomy) -> Tensor:
    """Reflectance (3, H, W) of bare skin at points (x, y, z) of the head, planes (H, W)."""
    base = skin_color(face)
    albedo = torch.empty(3, *x.shape)
    for plane, value in zip(albedo, base, strict=True):
        plane.fill_(value)
    ax = x.abs()
    front = edge(z, 0.1, 0.5)
    # blood: cheeks, nose, chin, ears
    flush = blob(ax, y, 0.42, -0.12, 0.22, 0.17) + 0.8 * blob(x, y, 0.0, a.nose_y, 0.15, 0.13)
    flush += 0.4 * blob(x, y, 0.0, a.chin_y + 0.12, 0.2, 0.14) + edge(ax, 0.74, 0.82) * 0.7
    amount = 0.16 + 0.12 * face["skin_redness"]
    tint(
        albedo, (1.0 - 0.2 * amount, 1.0 - 1.3 * amount, 1.0 - 1.2 * amount), flush.clamp_(max=1.0)
    )
    if face["makeup"] > 0.0:
        rouge = blob(ax - 0.45, y + 0.02 - (ax - 0.45) * 0.6, 0.0, 0.0, 0.17, 0.08) * front
        tint(albedo, (0.98, 0.62, 0.68), rouge * face["makeup"])
    # mottling and pores
    mottle = noise(x * 14.0 + 40.0, y * 14.0) * 0.020 + noise(x * 70.0, y * 70.0) * (
        0.010 + 0.03 * a.old
    )
    albedo *= 1.0 + mottle
    # freckles, age spots, mole
    spots = noise(
        x * 46.0 + 60.0 * face["freckle_pattern"], y * 46.0 - 30.0 * face["freckle_pattern"]
    )
    frequent = max(face["freckles"], 0.0) * (1.0 - 0.7 * face["skin_tone"])
    strength = frequent * 0.75 + 0.12 * a.old
    where = blob(ax, y, 0.25, 0.0, 0.38, 0.24) + 0.35
    tint(albedo, (0.80, 0.66, 0.55), edge(spots, 0.9, 1.5) * where.mul_(strength).clamp_(max=1.0))
    mole = blob(x, y, 0.48 * face["mole_x"], -0.2 + 0.55 * face["mole_y"], 0.022, 0.022)
    tint(
        albedo,
        (0.30, 0.24, 0.24),
        mole.mul_(max(0.4 + face["mole_size"], 0.0)).clamp_(max=1.0) * front,
    )
    # ears: the hollow inside the rim
    hollow = bell(((y - 0.10) / 0.13) ** 2 + ((z + 0.01) / 0.045) ** 2) * edge(ax, 0.72, 0.76)
    tint(albedo, (0.60, 0.46, 0.44), hollow)
    return albedo


def paint_nostrils(albedo: Tensor, x: Tensor, y: Tensor, a: Anatomy) -> None:
    """Darken the nostrils and the crease around the wings of the nose, in place."""
    ax = x.abs()
    nostril = blob(ax, y, 0.46 * a.nose_width, a.nose_base + 0.030, 0.042, 0.022)
    tint(albedo, (0.20, 0.12, 0.12), nostril)
    from_wing = ((ax - 0.62 * a.nose_width) / (0.52 * a.nose_width)) ** 2
    from_wing += ((y - a.nose_base - 0.065) * (1.0 / 0.075)) ** 2
    crease = bell(((from_wing - 1.0) * 2.2) ** 2) * edge(
        ax, 0.55 * a.nose_width, 0.95 * a.nose_width
    )
    tint(albedo, (0.74, 0.63, 0.60), crease)


def paint_beard(albedo: Tensor, x: Tensor, y: Tensor, z: Tensor, face: Face, a: Anatomy) -> None:
    """Lay stubble to full beard over `albedo`, in place, below cheekbones and above the neck."""
    density = face["beard"]
    if density <= 0.0:
        return
    ax = x.abs()
    line = a.nose_base - 0.03 - 0.10 * edge(ax, 0.08, 0.27) + 0.05 * face["beard_shape"]
    line = line + 1.2 * (ax - 0.28).clamp(min=0.0) ** 2 + 0.50 * edge(z, 0.34, 0.10)
    area = edge(line - y, -0.02, 0.06) * edge(z + 0.24 * edge(y, -0.02, -0.22), 0.02, 0.14)
    area *= 1.0 - 0.25 * bell(
        ((ax - 0.13) / 0.06) ** 2 + ((y - a.mouth_y + a.gap + 0.12) / 0.04) ** 2
    )
    area *= 1.0 - edge(z, 0.34, 0.22) * edge(y, a.chin_y + 0.40, a.chin_y + 0.25)  # not the neck
    hairs = noise(ax * 80.0 + x * 12.0 - z * 60.0, y * 42.0)
    mask = area * (density * 1.25 + 0.45 * (density**0.5) * hairs * (1.2 - density)).clamp_(
        0.0, 0.96
    )
    mask *= min(1.0, 0.55 + 0.6 * density)
    relief = (1.0 + 0.28 * hairs).clamp_(0.4, 1.8)
    for plane, value in zip(albedo, brow_color(face), strict=True):
        plane.lerp_(relief * value, mask)
