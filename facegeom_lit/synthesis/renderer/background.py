"""Background: blurred rooms, walls and lights behind the head; neck-side clothes. Nuisance only."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from facegeom_lit.synthesis.renderer.paint import bell, edge

_SIZE = 64  # out of focus, so drawn small and enlarged


def draw_background(generator: Generator, size: int) -> Tensor:
    """A background (3, size, size) in linear light.

    A vertical gradient, soft colour noise, a few upright or round shapes (doors, windows,
    lamps) out of focus.
    """
    steps = torch.linspace(-1.0, 1.0, _SIZE)
    x, y = steps[None, :], steps[:, None]
    draw = torch.rand(64, generator=generator).tolist()
    bright = 0.02 + 0.55 * draw[0] ** 1.6
    grey = [bright * (0.75 + 0.5 * value) for value in draw[1:4]]
    coarse = torch.randn(2, 3, 5, 5, generator=generator)
    coarse = (coarse[0].mul_(0.25) + coarse[1, :1]).mul_(0.10 + 0.35 * draw[4])
    mottle = interpolate(coarse[None], size=(_SIZE, _SIZE), mode="bilinear")[0]
    lift = 1.0 + (draw[5] - 0.5) * y + (draw[6] - 0.5) * x
    image = torch.stack([lift * value for value in grey]) * torch.exp(mottle)
    for shape in range(4):
        d = draw[8 + 12 * shape : 20 + 12 * shape]
        if d[0] < 0.35:
            continue
        cx, cy = 2.2 * d[1] - 1.1, 2.2 * d[2] - 1.1
        rx, ry = 0.1 + 0.5 * d[3], 0.15 + 0.9 * d[4]
        soft = 0.05 + 0.25 * d[5]
        if d[6] < 0.6:
            mask = edge((x - cx).abs() - rx, soft, -soft) * edge((y - cy).abs() - ry, soft, -soft)
        else:
            mask = bell(((x - cx) / rx) ** 2 + ((y - cy) / rx) ** 2)
        shade = 0.03 + 0.9 * d[7] ** 2
        for plane, value in zip(image, d[8:11], strict=True):
            plane.lerp_(plane.new_tensor(shade * (0.7 + 0.6 * value)), mask * 0.85)
    return interpolate(image[None], size=(size, size), mode="bilinear")[0]
