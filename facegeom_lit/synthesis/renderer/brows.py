"""Brows: a tapered band of short slanted strokes over each eye."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.synthesis.renderer.anatomy import Anatomy, Face, ramp
from facegeom_lit.synthesis.renderer.noise import noise
from facegeom_lit.synthesis.renderer.paint import Color, bell, edge, lay, mix_colors, srgb


def brow_color(face: Face) -> Color:
    """Natural colour of brows and beard; greys with age, ignores dyed hair."""
    natural = mix_colors(
        [srgb(18, 14, 12), srgb(48, 32, 22), srgb(92, 64, 42)], 0.5 + 0.5 * face["brow_color"]
    )
    return mix_colors([natural, srgb(168, 164, 160)], 0.75 * ramp(face["age"], 34.0, 86.0))


def paint_brows(albedo: Tensor, x: Tensor, y: Tensor, face: Face, a: Anatomy) -> None:
    """Paint both brows into `albedo` (3, H, W), in place; see `paint_eyes` for the planes."""
    start = a.eye_x - 0.215 + 0.04 * face["brow_gap"]
    end = a.eye_x + 0.20
    s = (x.abs() - start) * (1.0 / (end - start))
    frown = max(-a.smile, 0.0)
    arch = 0.040 + 0.032 * face["brow_arch"]
    tilt = 0.045 * face["brow_tilt"] + 0.030 * frown
    lift = 0.020 * max(a.smile, 0.0)
    curve = a.brow_y + lift - 0.055 * frown * (1.0 - s).clamp_(0.0, 1.0)
    curve = (
        curve
        + arch * torch.sin(s.clamp(0.0, 1.2) * 2.1)
        + tilt * s
        - 0.085 * (s - 0.62).clamp(min=0.0)
    )
    thick = 0.037 + 0.019 * face["brow_thickness"] + 0.005 * face["build"]
    band = thick * (1.05 - 0.72 * s.clamp(0.0, 1.0) ** 1.5)
    away = (y - curve) / band
    slant = x.abs() * 90.0 + (y - curve) * (60.0 - 150.0 * s)
    strokes = noise(slant, y * 22.0 + 7.0)
    mask = bell(away.pow(4)) * edge(s, -0.06, 0.16) * edge(s, 1.05, 0.80)
    mask *= (0.80 + 0.16 * strokes + 0.10 * face["brow_thickness"]).clamp_(0.25, 1.0)
    lay(albedo, brow_color(face), mask.mul_(0.88))
