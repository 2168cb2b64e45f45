"""Brushes: soft masks over planes of coordinates and mixing of colours through them."""

from __future__ import annotations

from torch import Tensor

Color = tuple[float, float, float]


def srgb(red: float, green: float, blue: float) -> Color:
    """Linear light of an sRGB colour given in 0–255."""
    return (red / 255) ** 2.2, (green / 255) ** 2.2, (blue / 255) ** 2.2


def mix_colors(stops: list[Color], t: float) -> Color:
    """Colour at `t` in [0, 1] along evenly spaced `stops`."""
    at = min(max(t, 0.0), 1.0) * (len(stops) - 1)
    i = min(int(at), len(stops) - 2)
    f = at - i
    red, green, blue = (p + (q - p) * f for p, q in zip(stops[i], stops[i + 1], strict=True))
    return red, green, blue


def scale_color(color: Color, factor: float) -> Color:
    """`color` made lighter or darker."""
    return color[0] * factor, color[1] * factor, color[2] * factor


def edge(x: Tensor, low: float, high: float) -> Tensor:
    """Linear step from 0 at `low` to 1 at `high` (also downwards, when low > high)."""
    return (x - low).mul_(1.0 / (high - low)).clamp_(0.0, 1.0)


def bell(q: Tensor) -> Tensor:
    """Bell of height 1 over a squared distance `q`: like exp(-q), but exactly 0 beyond q = 3.

    The compact support spares the denormal numbers that slow an exponential's tail tenfold.
    """
    rest = (q * (-1.0 / 3.0)).add_(1.0).clamp_(min=0.0)
    return (rest * rest).mul_(rest)


def blob(x: Tensor, y: Tensor, cx: float, cy: float, sx: float, sy: float) -> Tensor:
    """Bell of height 1 at (cx, cy) with widths sx, sy."""
    dx = (x - cx).mul_(1.0 / sx)
    dy = (y - cy).mul_(1.0 / sy)
    return bell(dx.mul_(dx).addcmul_(dy, dy))


def lay(image: Tensor, color: Color, mask: Tensor) -> None:
    """Lay `color` over `image` (3, H, W), in place, where `mask` (H, W) is."""
    for plane, value in zip(image, color, strict=True):
        plane.lerp_(plane.new_tensor(value), mask)


def tint(image: Tensor, factors: Color, mask: Tensor) -> None:
    """Multiply `image` (3, H, W), in place, by `factors` where `mask` (H, W) is."""
    for plane, factor in zip(image, factors, strict=True):
        plane.mul_(1.0 + (factor - 1.0) * mask)
