"""Where the metrics draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def axis_of(ax: Axes | None) -> tuple[Figure, Axes]:
    """The given axes with their figure, or new ones.

    Args:
        ax: Where to draw; None: a new figure of Matplotlib's current backend.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        return plt.subplots()
    return cast("Figure", ax.get_figure()), ax
