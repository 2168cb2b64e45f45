"""Wrinkles: lines of age and of expression, each painted on the rows of the face it crosses."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.synthesis.renderer.anatomy import Anatomy, Face, aging
from facegeom_lit.synthesis.renderer.paint import bell, blob, edge, tint


def line_forehead(albedo: Tensor, x: Tensor, y: Tensor, face: Face) -> None:
    """Horizontal lines over the brows, from age, in place."""
    strength = 0.9 * aging(face) ** 1.4
    lines = torch.sin((y + 0.06 * torch.cos(x * 5.0)) * 62.0 + 0.8 * torch.sin(x * 7.0))
    mask = edge(lines, 0.55, 1.0) * blob(x, y, 0.0, 0.68, 0.42, 0.13)
    tint(albedo, (0.70, 0.60, 0.56), mask * strength)


def line_eyes(albedo: Tensor, x: Tensor, y: Tensor, a: Anatomy) -> None:
    """Crow's feet and the furrow between the brows, from age and expression, in place."""
    age = a.old
    smile, frown = max(a.smile, 0.0), max(-a.smile, 0.0)
    ax = x.abs()
    furrow = blob(ax, y, 0.055, a.eye_y + 0.17, 0.014, 0.07)
    tint(albedo, (0.62, 0.52, 0.50), furrow * min(0.5 * age + 0.6 * frown, 1.0))
    out, up = ax - (a.eye_x + a.eye_width), y - a.eye_y
    rays = edge(torch.sin(up / (out.clamp(min=0.0) + 0.12) * 11.0), 0.4, 1.0)
    crow = rays * blob(out, up, 0.07, 0.0, 0.06, 0.08)
    tint(albedo, (0.66, 0.56, 0.52), crow * min(0.9 * age + 0.35 * smile, 1.0))


def line_mouth(albedo: Tensor, x: Tensor, y: Tensor, a: Anatomy) -> None:
    """Folds from the nose past the mouth and down to the chin, in place."""
    age = a.old
    smile = max(a.smile, 0.0)
    ax = x.abs()
    below = a.nose_base + 0.08 - y
    fold = a.nose_width + 0.045 + 0.035 * smile + 0.72 * below - 0.75 * below * below
    reach = edge(y, a.mouth_y - 0.06, a.mouth_y + 0.06)
    reach *= edge(y, a.nose_base + 0.12, a.nose_base + 0.05)
    mask = bell(((ax - fold) * (1.0 / 0.022)) ** 2) * reach
    tint(albedo, (0.66, 0.54, 0.50), mask * min(0.06 + 0.65 * age + 0.35 * smile, 1.0))
    lean = ax - 0.15 * (a.mouth_y - y)
    droop = blob(lean, y, a.mouth_width + 0.03, a.mouth_y - 0.12, 0.016, 0.09)
    tint(albedo, (0.70, 0.60, 0.56), droop * (0.7 * age * age))
