"""Glasses: a frame on a gently curved surface before the eyes, hidden where the head is nearer."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.synthesis.renderer.anatomy import Anatomy
from facegeom_lit.synthesis.renderer.camera import Rays
from facegeom_lit.synthesis.renderer.paint import edge

_BOW = 0.28  # how much the frame bends back towards the temples


def frame_mask(
    rays: Rays, depth: Tensor, a: Anatomy, front: float, pixel: float
) -> tuple[Tensor, Tensor]:
    """Coverage of the frame and of the glass, both (H, W) in [0, 1].

    Args:
        rays: Rays of the crop.
        depth: Depth (H, W) of the head along them.
        a: Anatomy, for where the eyes are.
        front: Frontal depth z of the eyes' surface.
        pixel: Size of a pixel in head units.
    """
    plane = front + 0.23
    toward = rays.toward.flatten().tolist()
    away = max(toward[2], 0.2)
    at = (plane - rays.origin[2]) / away
    for _ in range(3):
        x, y, z = rays.at(at)
        at = at + (plane - _BOW * x * x - z) * (0.8 / away)
    x, y, _ = rays.at(at)
    visible = edge(at - depth, -0.02, 0.01)
    dx = (x.abs() - a.eye_x - 0.01).abs() - 0.135
    dy = (y - a.eye_y + 0.02).abs() - 0.085
    outside = torch.sqrt(dx.clamp(min=0.0) ** 2 + dy.clamp(min=0.0) ** 2)
    box = outside + torch.maximum(dx, dy).clamp_(max=0.0) - 0.085
    rim = edge(box.abs(), 0.024 + pixel, 0.024)
    bridge = edge((y - a.eye_y - 0.055).abs(), 0.020 + pixel, 0.020) * edge(box, 0.0, 0.01)
    bridge *= edge(x.abs(), 0.2, 0.12)
    glass = edge(box, 0.0, -0.01) * visible
    frame = torch.maximum(rim, bridge) * visible
    # arms: straight bars from the frame's outer edge to the ears
    edge_x = a.eye_x + 0.235
    start = plane - _BOW * edge_x * edge_x
    for side in (-1.0, 1.0):
        slope = 0.12 * side
        lean = toward[0] + slope * toward[2]
        if abs(lean) < 0.05:
            continue
        at = (side * (edge_x + 0.12 * start) - rays.origin[0] - slope * rays.origin[2]) / lean
        _, y, z = rays.at(at)
        arm = edge((y - a.eye_y - 0.05).abs(), 0.018 + pixel, 0.018)
        arm *= edge(z, 0.02, 0.06) * edge(z, start + 0.01, start - 0.01)
        frame = torch.maximum(frame, arm * edge(at - depth, -0.02, 0.01))
    return frame, glass
