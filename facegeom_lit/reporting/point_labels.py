"""Names beside points, where they cover neither each other nor the points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

Rectangle = tuple[float, float, float, float]
"""Left, bottom, right, top."""

_ANGLES = np.deg2rad([0, 180, 90, 270, 45, 135, 225, 315])
_REACHES = (7.0, 14.0, 24.0, 36.0)
"""Distances from the point that are tried, in points (1/72 inch)."""


def settle(drawn: Figure) -> RendererAgg:
    """Lay the figure out, so that everything has its place; labels come last.

    Returns:
        What measures text.
    """
    drawn.draw_without_rendering()
    canvas = drawn.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    return canvas.get_renderer()


def label_points(
    renderer: RendererAgg,
    axis: Axes,
    points: NDArray[np.float64],
    names: Sequence[str],
    *,
    obstacles: Sequence[Rectangle] = (),
    color: str,
    size: float = 7,
) -> None:
    """Write names beside points; the place that covers least is taken, nearer ones first.

    Args:
        renderer: Of `settle`.
        axis: Where the points are drawn.
        points: Data coordinates, shape (P, 2); finite.
        names: One for each point; an empty one is not written, but its point is not covered.
        obstacles: What else is not covered, in data coordinates.
        color: Of the text.
        size: Of the text, in points.
    """
    scale = renderer.dpi / 72
    places = axis.transData.transform(points)
    taken = [_box(place, 6.0, 6.0) for place in places]
    taken += [text.get_window_extent(renderer) for text in axis.texts]
    for x0, y0, x1, y1 in obstacles:
        ends = axis.transData.transform([(x0, y0), (x1, y1)])
        taken.append(_box(ends.mean(axis=0), *(np.ptp(ends, axis=0) + 2)))
    for (x, y), place, name in zip(points, places, names, strict=True):
        if not name:
            continue
        text = axis.annotate(
            name,
            (x, y),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=size,
            color=color,
            ha="center",
            va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": color, "alpha": 0.5},
        )
        text.set_in_layout(False)
        own = text.get_window_extent(renderer)
        width, height = own.width + 4, own.height + 1
        offset = _best(place, width, height, taken, axis.get_window_extent(), scale)
        text.set_position(tuple(offset / scale))
        taken.append(_box(place + offset, width, height))


def _best(
    place: NDArray[np.float64],
    width: float,
    height: float,
    taken: Sequence[Bbox],
    inside: Bbox,
    scale: float,
) -> NDArray[np.float64]:
    """Return the offset in pixels that covers least."""
    best, least = np.zeros(2), np.inf
    for reach in _REACHES:
        for angle in _ANGLES:
            direction = np.array([np.cos(angle), np.sin(angle)])
            edge = np.abs(direction) * (width / 2, height / 2)
            offset = direction * reach * scale + np.sign(direction.round(6)) * edge
            box = _box(place + offset, width, height)
            cost = sum(_common(box, other) for other in taken)
            cost += 4 * (width * height - _common(box, inside))
            if cost < least - 1e-6:
                best, least = offset, cost
        if least <= 0:
            break
    return best


def _box(centre: NDArray[np.float64], width: float, height: float) -> Bbox:
    x, y = centre
    return Bbox.from_extents(x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _common(first: Bbox, second: Bbox) -> float:
    """Return the area that two boxes share."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return max(width, 0.0) * max(height, 0.0)
