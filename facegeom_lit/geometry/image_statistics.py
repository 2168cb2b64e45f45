"""What the image operators change, read from the pixels."""

from __future__ import annotations

import torch
from torch import Tensor

STATISTICS = ("brightness", "contrast", "hue")
"""Image attributes that are measured, in the order of the columns."""

_LUMA = torch.tensor([0.299, 0.587, 0.114])


def image_statistics(images: Tensor) -> Tensor:
    """Measure brightness, contrast and hue of images, each in its attribute's unit.

    Brightness: mean luma as a fraction of full scale. Contrast: log2 of the standard deviation of
    the luma. Hue: angle in degrees of the sum over pixels of chroma · exp(i · hue), with hue and
    chroma as in HSV. Only their changes mean something: each operator, where no pixel is
    clipped, changes its own statistic by exactly its value (brightness by its value times the
    gain of the contrast applied after it).

    Args:
        images: RGB (N, 3, H, W), in 0–255.

    Returns:
        Shape (N, 3), float64.

    Example:
        >>> grey = torch.full((1, 3, 2, 2), 51)
        >>> round(image_statistics(grey)[0, 0].item(), 3)
        0.2
    """
    x = images.double() / 255
    luma = torch.einsum("nchw,c->nhw", x, _LUMA.double()).flatten(1)
    brightness = luma.mean(1)
    contrast = luma.std(1, correction=0).clamp(min=1e-6).log2()
    angle, chroma = _hue(x)
    total = torch.polar(chroma, angle).sum((1, 2))
    return torch.stack([brightness, contrast, total.angle().rad2deg()], dim=1)


def statistic_changes(
    statistics: Tensor, references: Tensor, contrast: Tensor | float = 0.0
) -> Tensor:
    """Return by how much images differ from their references, in each attribute's unit.

    Args:
        statistics: `image_statistics` of the images, (N, 3).
        references: Those of what each is compared with, (N, 3).
        contrast: Contrast applied to both after brightness, (N,) or one number, in octaves.

    Returns:
        Shape (N, 3); hue in [-180, 180).
    """
    brightness, contrasts, hue = (statistics - references).unbind(1)
    return torch.stack([brightness / 2.0**contrast, contrasts, (hue + 180) % 360 - 180], dim=1)


def _hue(x: Tensor) -> tuple[Tensor, Tensor]:
    """HSV hue as an angle in radians and chroma, each (N, H, W), of RGB (N, 3, H, W) in 0–1."""
    red, green, blue = x.unbind(1)
    high, which = x.max(1)
    chroma = high - x.amin(1)
    divisor = chroma.clamp(min=1e-9)
    sector = torch.stack(
        [(green - blue) / divisor, 2 + (blue - red) / divisor, 4 + (red - green) / divisor]
    )
    sextant = sector.gather(0, which.unsqueeze(0)).squeeze(0)
    return sextant * (torch.pi / 3), chroma
