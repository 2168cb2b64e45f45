"""Reads the words on a drawn page: what stands where, what is cut off, what covers what."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from facegeom_lit.reporting.style import DPI


def words_on(page: Figure) -> list[str]:
    """Every text that is drawn, on one line each."""
    return [" ".join(text.get_text().split()) for text in texts(page)]


def cut_off(page: Figure) -> list[str]:
    """Texts that reach over the edge of the page by more than a pixel."""
    width, height = page.bbox.size
    return [
        text
        for text, box in boxes(page)
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


def covered(page: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that share more than a hair's breadth."""
    return [
        (first, second)
        for (first, one), (second, other) in combinations(boxes(page), 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 1.5
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 2.5
    ]


def boxes(page: Figure) -> list[tuple[str, Bbox]]:
    """Every text with its place in pixels, as saved."""
    assert isinstance(page.canvas, FigureCanvasAgg)
    renderer = page.canvas.get_renderer()
    # Of an annotation too the text alone, without the line that leads to it.
    return [(text.get_text(), Text.get_window_extent(text, renderer)) for text in texts(page)]


def texts(page: Figure) -> Iterator[Text]:
    for text in (page._suptitle, page._supxlabel, page._supylabel):  # type: ignore[attr-defined]
        if text is not None and text.get_text():
            yield text
    for legend in page.legends:
        yield from legend.get_texts()
    for axis in page.axes:
        if axis.axison:
            yield from (text for text in _of_axes(axis) if text.get_text() and text.get_visible())


def _of_axes(axes: Axes) -> Iterator[Text]:
    yield axes.title
    yield from axes.texts
    legend = axes.get_legend()
    if legend is not None:
        yield from legend.get_texts()
    for axis in (axes.xaxis, axes.yaxis):
        yield axis.label
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if low <= tick.get_loc() <= high:
                yield tick.label1
                yield tick.label2


def check_page(path: Path, page: Figure) -> None:
    """Assert that the file is the page, that it is no wider than a page, and legible."""
    with Image.open(path) as image:
        assert np.abs(image.size - page.get_size_inches() * DPI).max() <= 1
        assert image.width <= 1800
        assert np.asarray(image.convert("L")).std() > 3
    assert cut_off(page) == []
    assert covered(page) == []
