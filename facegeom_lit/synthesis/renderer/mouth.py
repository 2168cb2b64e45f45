"""Mouth: lips, the line between them, teeth and dark inside when it opens."""

from __future__ import annotations

from torch import Tensor

from facegeom_lit.synthesis.renderer.anatomy import Anatomy, Face
from facegeom_lit.synthesis.renderer.paint import Color, bell, blob, edge, lay, srgb, tint


def paint_mouth(
    albedo: Tensor,
    gloss: Tensor,
    x: Tensor,
    y: Tensor,
    face: Face,
    a: Anatomy,
    skin: Color,
    pixel: float,
) -> None:
    """Paint lips and mouth into `albedo` and `gloss`, in place; see `paint_eyes`."""
    t = x * (1.0 / a.mouth_width)
    square = t * t
    arch = (1.0 - square).clamp_(min=0.0)
    round_ = arch.sqrt()
    corner = 0.075 * a.smile + 0.012
    line = a.mouth_y + corner * (square - 0.35).clamp_(max=1.2) + 0.010 * bell(square * 30.0) * -1.0
    bow = 1.0 - (0.22 + 0.20 * face["lip_bow"]) * bell(square * 28.0)
    gap = arch * a.gap
    top = line + 0.12 * gap + arch.pow(0.62) * bow * a.upper_lip
    inner_top = line + 0.12 * gap
    inner_low = line - 0.88 * gap
    bottom = inner_low - round_ * (1.0 - 0.25 * square) * a.lower_lip
    soft = 0.9 * pixel + 0.004
    lips = edge(top - y, -soft, soft) * edge(y - bottom, -1.6 * soft, 1.2 * soft)
    lips *= edge(arch, 0.0, 0.10)
    red = 0.5 + 0.5 * face["lip_color"]
    natural = (
        skin[0] * (0.92 - 0.24 * red),
        skin[1] * (0.64 - 0.30 * red),
        skin[2] * (0.64 - 0.22 * red),
    )
    lay(albedo, natural, lips * (0.88 - 0.25 * a.old))
    if face["makeup"] > 0.0:
        lay(albedo, srgb(172, 20, 44), lips * (0.92 * face["makeup"]))
    upper = edge(y - inner_top, -0.004, 0.012) * lips
    tint(albedo, (0.82, 0.76, 0.78), upper)
    full = blob(x, y, 0.0, a.mouth_y - 0.9 * a.gap - 0.42 * a.lower_lip, 0.16, 0.30 * a.lower_lip)
    tint(albedo, (1.10, 1.14, 1.14), full * lips)
    under = blob(x, y, 0.0, a.mouth_y - 0.9 * a.gap - 1.25 * a.lower_lip, 0.15, 0.022)
    tint(albedo, (0.80, 0.72, 0.70), under * (1.0 - lips))
    gloss += blob(x, y, 0.0, a.mouth_y - 0.88 * a.gap - 0.45 * a.lower_lip, 0.10, 0.018) * 0.05
    # inside: dark, tongue-red low, upper teeth
    if a.gap > 0.0:
        inside = edge(inner_top - y, -0.5 * pixel, pixel) * edge(y - inner_low, -0.5 * pixel, pixel)
        inside *= edge(gap, 0.0, 0.012)
        lay(albedo, srgb(58, 14, 16), inside)
        deep = inner_top - y
        lay(albedo, srgb(132, 50, 52), inside * edge(deep, 0.10, 0.24) * edge(t.abs(), 0.8, 0.5))
        teeth = inside * edge(deep + 0.03 * square, 0.072, 0.060)
        teeth *= edge(t.abs(), 0.86, 0.66)
        lay(albedo, srgb(196, 184, 168), teeth)
        tint(albedo, (0.62, 0.55, 0.50), teeth * edge(t.abs(), 0.15, 0.75))
        tint(albedo, (0.55, 0.45, 0.42), inside * edge(deep, 0.025, 0.0))
        gloss *= 1.0 - inside
    dark = bell(((y - 0.5 * (inner_top + inner_low)) / (0.009 + 0.5 * gap)) ** 2)
    slit = dark * edge(t.abs(), 1.10, 0.90) * (1.0 - edge(gap, 0.004, 0.02))
    tint(albedo, (0.22, 0.15, 0.15), slit * 0.85)
    corners = blob(x.abs(), y, a.mouth_width - 0.005, a.mouth_y + 0.65 * corner, 0.024, 0.020)
    tint(albedo, (0.62, 0.52, 0.50), corners * 0.7)
