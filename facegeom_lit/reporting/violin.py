"""One violin, and the bracket that joins two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from torch import Tensor

from facegeom_lit.geometry.statistics import FEWEST, bootstrap_interval


def known(values: Tensor | None) -> Tensor:
    """Return the defined values, in double precision on the CPU; none where nothing is given."""
    if values is None:
        return Tensor().double()
    values = values.detach().double().cpu()
    return values[~values.isnan()]


def violin(
    axis: Axes, values: Tensor, at: float, color: str, width: float, *, upright: bool, level: float
) -> None:
    """Draw the spread of values, their mean and its interval; a dash where there are none.

    Fewer than `FEWEST` values have no interval, and no density that says anything: each is a dot.

    Args:
        axis: Where it is drawn.
        values: Defined values, shape (N,).
        at: Its place on the axis of the categories.
        color: Its colour.
        width: Of its widest part, on the same axis.
        upright: Values go up; to the right otherwise.
        level: Coverage of the interval of the mean.
    """
    if not len(values):
        foot = axis.get_xaxis_transform() if upright else axis.get_yaxis_transform()
        x, y = (at, 0.03) if upright else (0.03, at)
        axis.text(x, y, "–", transform=foot, ha="center", va="center", fontsize=11)
        return
    if len(values) < FEWEST:
        small = {"marker": "o", "ms": 3.0, "ls": "none", "alpha": 0.45, "mew": 0}
        _line(axis, [at] * len(values), values.tolist(), upright, color=color, **small)
    elif float(values.max() - values.min()) > 1e-9:  # equal values have no density
        orientation: Literal["vertical", "horizontal"] = "vertical" if upright else "horizontal"
        body = axis.violinplot(
            values.numpy(), [at], widths=width, showextrema=False, orientation=orientation
        )
        for part in body["bodies"]:  # type: ignore[attr-defined]
            part.set(facecolor=color, alpha=0.45, edgecolor=color, linewidth=0.6)
    mean = bootstrap_interval(values, level=level)
    if mean.low is not None and mean.high is not None:
        _line(axis, [at, at], [mean.low, mean.high], upright, color=color, lw=2)
    dot = {"marker": "o", "ms": 4.0, "mec": "w", "mew": 0.6}
    _line(axis, [at], [mean.value or 0.0], upright, color=color, **dot)


def bracket(
    axis: Axes, ends: tuple[float, float], height: float, step: float, text: str, *, upright: bool
) -> None:
    """Join two violins, with text on the bracket.

    Args:
        axis: Where it is drawn.
        ends: Places of the two on the axis of the categories.
        height: Where the bracket stands on the axis of the values.
        step: How far apart brackets stand there.
        text: Its mark.
        upright: As of the violins.
    """
    first, second = ends
    heights = [height - step / 3, height, height, height - step / 3]
    _line(axis, [first, first, second, second], heights, upright, color="black", lw=0.8)
    middle = (first + second) / 2
    if upright:
        axis.text(middle, height, text, ha="center", va="bottom", fontsize=9)
    else:
        axis.text(height + step / 4, middle, text, ha="left", va="center", fontsize=9)


def _line(
    axis: Axes, along: Sequence[float], values: Sequence[float], upright: bool, **look: Any
) -> None:
    axis.plot(*((along, values) if upright else (values, along)), **look)
