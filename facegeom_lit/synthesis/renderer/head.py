"""The head as a star-shaped surface: distance from the origin for every direction of the chart.

Skull, jaw and neck are smooth unions of quadrics; the features are sums of products of one
function along each axis of the chart, so that fifty of them cost one small matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from facegeom_lit.synthesis.renderer.anatomy import Anatomy, Face, ramp
from facegeom_lit.synthesis.renderer.chart import axis, directions, project
from facegeom_lit.synthesis.renderer.paint import bell


def smooth_maximum(a: Tensor, b: Tensor, width: float) -> Tensor:
    """Maximum of two surfaces with the crease rounded over `width`."""
    blend = ((a - b).div_(2.0 * width).add_(0.5)).clamp_(0.0, 1.0)
    return torch.lerp(b, a, blend).add_((1.0 - blend).mul_(blend).mul_(width))


def _ellipsoid(center: tuple[float, float, float], radii: tuple[float, float, float]) -> Tensor:
    """Distance from the origin (inside) to an ellipsoid along each direction."""
    a = torch.zeros(())
    b = torch.zeros(())
    c = -1.0
    for d, m, r in zip(directions(), center, radii, strict=True):
        w = 1.0 / (r * r)
        a = a + d * d * w
        b = b + d * (m * w)
        c += m * m * w
    return (b + torch.sqrt((b * b - a * c).clamp_(min=1e-6))) / a


def _neck(radius: float) -> Tensor:
    """Distance to a vertical neck for directions that look down, 0 for the others."""
    dx, dy, dz = directions()
    a = (dx * dx + dz * dz).clamp(min=0.02) / (radius * radius)
    b = dz * (-0.24 / (radius * radius))
    c = 0.24**2 / (radius * radius) - 1.0
    distance = (b + torch.sqrt((b * b - a * c).clamp_(min=1e-6))) / a
    return distance.clamp_(max=2.4) * ((-dy - 0.25) * 4.0).clamp(0.0, 1.0)


class _Bump(NamedTuple):
    """A bell along one axis of the chart; `mirrored` adds its reflection."""

    center: float
    width: float
    mirrored: bool = False


def _pair(center: float, width: float) -> _Bump:
    return _Bump(center, width, mirrored=True)


def _profiles(factors: list[_Bump | Tensor]) -> Tensor:
    """Values (K, SIZE) of K factors along the axis; all bells in one go."""
    bumps = [factor for factor in factors if isinstance(factor, _Bump)]
    centers = torch.tensor([[bump.center] for bump in bumps])
    widths = torch.tensor([[1.0 / bump.width] for bump in bumps])
    mirrored = torch.tensor([[float(bump.mirrored)] for bump in bumps])
    values = bell(((axis() - centers) * widths) ** 2)
    values += bell(((axis() + centers) * widths) ** 2) * mirrored
    rows = iter(values)
    return torch.stack([next(rows) if isinstance(f, _Bump) else f for f in factors])


def _rise(low: float, high: float) -> Tensor:
    t = ((axis() - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def head_radius(face: Face, a: Anatomy) -> Tensor:
    """Distance map (SIZE, SIZE) of the bald head with neck, in units of 10 cm."""
    build = face["build"]
    width = 1.0 + 0.07 * face["head_width"]
    skull = _ellipsoid(
        (0.0, 0.40, -0.07 + 0.02 * face["forehead_slope"]),
        (0.735 * width, 0.94 + 0.06 * face["skull_height"], 0.965 - 0.03 * face["forehead_slope"]),
    )
    jaw_width = 0.590 * width * (1.0 + 0.12 * face["jaw_width"] + 0.035 * build)
    jaw = _ellipsoid(
        (0.0, -0.22 - 0.5 * a.jaw_drop, 0.10),
        (jaw_width, 0.66 - 0.22 - (a.chin_y + 0.66) * 0.98 - 0.5 * a.jaw_drop, 0.775),
    )
    surface = smooth_maximum(skull, jaw, 0.10)
    return smooth_maximum(surface, _neck(0.50 + 0.05 * build), 0.06) + _features(face, a)


def _features(face: Face, a: Anatomy) -> Tensor:
    """Sum of all bumps and hollows on the smooth head."""
    heights: list[float] = []
    across: list[_Bump | Tensor] = []
    along: list[_Bump | Tensor] = []

    def add(height: float, horizontal: _Bump, vertical: _Bump | Tensor) -> None:
        heights.append(height)
        across.append(horizontal)
        along.append(vertical)

    def at(x: float, y: float, z: float) -> tuple[float, float]:
        return project(x, y, z)

    build, old = face["build"], a.old
    # nose: ridge that climbs from the nasion to the tip and widens, ball, wings, underside
    _, tip = at(0.0, a.nose_y, 1.13)
    _, base = at(0.0, a.nose_base, 0.98)
    _, nasion = at(0.0, a.eye_y + 0.03, 0.88)
    v = axis()
    climb = ((nasion - v) / (nasion - tip)).clamp(0.0, 1.0)
    under = ((v - base) / (tip - base)).clamp(0.0, 1.0)
    profile = climb.pow(1.15) * under * (2.0 - under)
    height = 0.215 + 0.055 * face["nose_projection"]
    add(0.66 * height, _Bump(0.0, 0.078 + 0.008 * face["nose_bulb"]), profile)
    short = ((v - base - 0.03) / (tip - base)).clamp(0.0, 1.0)
    add(0.34 * height, _Bump(0.0, 0.150), climb * climb * short * (2.0 - short))
    bridge = 0.05 + 0.038 * face["nose_bridge"]
    add(bridge, _Bump(0.0, 0.075), _Bump(nasion - 0.06, 0.13))
    hump = 0.022 * face["nose_hump"] + 0.004
    add(hump, _Bump(0.0, 0.055), _Bump(0.55 * nasion + 0.45 * tip, 0.09))
    add(0.040 + 0.024 * face["nose_bulb"], _Bump(0.0, 0.08), _Bump(tip, 0.062))
    wing, _ = at(a.nose_width, a.nose_base + 0.04, 0.95)
    add(0.070, _pair(wing * 0.74, 0.062), _Bump(base + 0.066, 0.058))
    add(0.018, _Bump(0.0, 0.035), _Bump(base + 0.015, 0.05))
    add(-0.012, _pair(wing * 1.35, 0.06), _Bump(base + 0.06, 0.10))
    # eyes: sockets, lids over the balls
    eye, level = at(a.eye_x, a.eye_y, 0.80)
    depth = 0.075 + 0.03 * face["eye_depth"] + 0.01 * build + 0.015 * old
    add(-depth, _pair(eye, 0.15), _Bump(level + 0.01, 0.105))
    add(-0.03, _pair(eye * 0.55, 0.06), _Bump(level + 0.02, 0.09))
    add(0.052, _pair(eye, 0.125), _Bump(level, 0.068))
    # brow ridge, temples, forehead
    _, brow = at(0.0, a.brow_y, 0.93)
    add(0.030 + 0.022 * face["brow_ridge"] + 0.012 * build, _pair(0.25, 0.2), _Bump(brow, 0.075))
    add(-0.045, _pair(0.86, 0.16), _Bump(0.50, 0.22))
    # cheekbones, cheeks, folds
    add(0.035 + 0.035 * face["cheekbones"], _pair(0.54, 0.21), _Bump(0.02, 0.20))
    full = 0.01 + 0.05 * face["cheek_fullness"] - 0.035 * old
    add(full, _pair(0.54, 0.24), _Bump(-0.36, 0.24))
    lift = max(a.smile, 0.0)
    add(0.045 * lift, _pair(0.44, 0.14), _Bump(-0.10, 0.11))
    add(-0.012 - 0.012 * lift - 0.02 * old, _pair(0.37, 0.06), _Bump(-0.38, 0.13))
    add(0.02 * old, _pair(0.50, 0.11), _Bump(-0.68, 0.12))
    # mouth: muzzle, lips, slit, hollow over the chin
    low = a.mouth_y - a.gap
    _, mouth = at(0.0, a.mouth_y, 0.98)
    _, lower = at(0.0, low, 0.96)
    span = _Bump(0.0, 0.15 + 0.5 * (a.mouth_width - 0.26))
    add(0.075, _Bump(0.0, 0.33), _Bump(0.5 * (mouth + lower), 0.22 + 0.3 * a.gap))
    add(0.45 * a.upper_lip, _Bump(0.0, 0.13), _Bump(mouth + 0.45 * a.upper_lip, 0.060))
    add(0.75 * a.lower_lip, span, _Bump(lower - 0.5 * a.lower_lip, 0.058))
    add(-0.05 - 0.25 * a.gap, span, _Bump(0.5 * (mouth + lower), 0.02 + 0.45 * a.gap))
    add(-0.012, _Bump(0.0, 0.028), _rise(mouth + 0.05, mouth + 0.09) * (1.0 - _rise(base, tip)))
    _, chin = at(0.0, a.chin_y + 0.13, 0.86)
    add(-0.04, _Bump(0.0, 0.2), _Bump(0.55 * lower + 0.45 * chin, 0.06))
    protrusion = 0.135 + 0.06 * face["chin_projection"] + 0.015 * build
    add(protrusion, _Bump(0.0, 0.22 + 0.08 * face["chin_width"]), _Bump(chin, 0.17))
    # jaw angle, ears
    add(0.01 + 0.028 * face["jaw_angle"] + 0.012 * build, _pair(0.90, 0.22), _Bump(-0.62, 0.22))
    size = 1.0 + 0.15 * face["ear_size"] + 0.12 * old
    stick = 0.15 + 0.05 * face["ear_angle"]
    stick *= 1.0 - 0.97 * ramp(face["hair_length"], 0.45, 0.65)  # pressed flat under long hair
    helix = (1.0 - ((v - 0.06) / (0.27 * size)) ** 2).clamp(min=0.0).sqrt()
    add(stick, _pair(1.44, 0.085), helix)
    return (_profiles(along).T * torch.tensor(heights)) @ _profiles(across)
