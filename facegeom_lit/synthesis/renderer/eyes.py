"""Eyes: lids, white, iris, pupil, catch-light, lashes; painted on the frontal plane of the head."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.synthesis.renderer.anatomy import Anatomy, Face
from facegeom_lit.synthesis.renderer.paint import bell, blob, edge, lay, mix_colors, srgb, tint

_IRISES = [srgb(52, 32, 20), srgb(96, 60, 32), srgb(112, 96, 56), srgb(92, 118, 96),
           srgb(92, 126, 160)]  # fmt: skip


def paint_eyes(
    albedo: Tensor, gloss: Tensor, x: Tensor, y: Tensor, face: Face, a: Anatomy, pixel: float
) -> None:
    """Paint both eyes into `albedo` (3, H, W) and `gloss` (H, W), in place.

    Args:
        albedo: Linear reflectance.
        gloss: Extra mirror-like light, added after shading.
        x: Head coordinate to the right of each pixel's point (H, W).
        y: Head coordinate upwards (H, W).
        face: The sample.
        a: Its anatomy.
        pixel: Size of a pixel in head units, for the softness of edges.
    """
    outward = x.abs() - a.eye_x
    t = outward * (1.0 / a.eye_width)
    up = y - a.eye_y - outward * (0.5 * a.eye_tilt)
    arch = (1.0 - t * t).clamp_(min=0.0)
    # the upper lid peaks towards the nose, the lower one towards the temple
    upper = arch.pow(0.62) * (1.0 - 0.22 * t) * a.eye_opening
    lower = arch.pow(0.85) * (1.0 + 0.30 * t) * (-0.62 * a.eye_opening)
    lower = lower + 0.010 * max(a.smile, 0.0) * arch
    inside = edge(upper - up, -0.5 * pixel, 0.5 * pixel) * edge(up - lower, -pixel, pixel)
    inside *= edge(arch, 0.0, 0.05)
    near = edge(t.abs(), 1.7, 1.25) * edge(up.abs(), 0.22, 0.15)
    makeup = face["makeup"]
    # lid above the eye: crease, shade, make-up
    fold = 0.034 + 0.014 * face["lid_fold"] - 0.008 * a.old
    crease = up - upper - fold * arch.sqrt()
    line = bell((crease * (1.0 / 0.011)) ** 2) * edge(t.abs(), 1.1, 0.6)
    tint(albedo, (0.62, 0.52, 0.48), line * near * (0.75 + 0.25 * a.old))
    lid = (
        edge(up - upper, -0.004, 0.006) * edge(crease, 0.012, -0.006) * near * edge(arch, 0.0, 0.2)
    )
    tint(albedo, (0.90, 0.84, 0.82), lid)
    if makeup > 0.0:
        shade = blob(outward, up, 0.01, 0.075, 0.17, 0.06) * edge(up - upper, -0.004, 0.006)
        lay(albedo, srgb(92, 50, 76), shade * (0.80 * makeup))
    # shade under the eye
    pouch = blob(outward, up, -0.03, -0.105, 0.13, 0.035)
    dark = 0.16 + 0.10 * face["under_eye"] + 0.22 * a.old
    tint(albedo, (1.0 - 0.75 * dark, 1.0 - dark, 1.0 - 0.85 * dark), pouch)
    # the ball
    white = srgb(226, 216, 208)
    lay(albedo, white, inside)
    tint(albedo, (0.62, 0.56, 0.54), inside * edge(t.abs(), 0.35, 1.0))
    red = edge(t, -0.62, -1.0) * inside
    lay(albedo, srgb(206, 130, 120), red * 0.85)
    size = 0.060 + 0.002 * face["eye_size"]
    dx, dy = outward + 0.004, up - 0.008
    distance = torch.sqrt(dx * dx + dy * dy)
    iris = edge(distance, size + 0.6 * pixel, size - 0.6 * pixel) * inside
    hue = 0.5 + 0.5 * face["iris_hue"]
    color = mix_colors(_IRISES, hue * hue * 0.35 + hue * 0.65)
    light = 1.0 + 0.35 * face["iris_lightness"]
    red_, green, blue = (c * light for c in color)
    lay(albedo, (red_, green, blue), iris)
    rim = bell(((distance - size) * (1.0 / 0.010)) ** 2) * inside
    tint(albedo, (0.35, 0.35, 0.38), rim)
    lay(albedo, (0.004, 0.004, 0.004), edge(distance, 0.027 + pixel, 0.027 - 0.4 * pixel) * inside)
    # the lid's shadow on the ball
    tint(albedo, (0.30, 0.28, 0.28), edge(up - upper, -0.034, 0.0) * inside)
    shine = blob(dx, dy, 0.0, 0.022, 0.012, 0.012) * inside
    gloss += shine * 0.75
    # lashes: dark rim of the upper lid, thin rim below
    thick = 0.011 + 0.013 * makeup + 0.003 * edge(t, -0.6, 0.9)
    lash = bell(((up - upper - 0.003) / thick) ** 2) * edge(t.abs(), 1.06, 0.94)
    lay(albedo, (0.012, 0.009, 0.008), lash * (0.80 + 0.20 * makeup))
    below = bell(((up - lower) * (1.0 / 0.007)) ** 2) * edge(t.abs(), 1.0, 0.8)
    tint(albedo, (0.55, 0.42, 0.40), below * (0.55 + 0.45 * makeup))
    gloss -= gloss * lash
