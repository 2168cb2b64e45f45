"""Correlation functions: how far does one direction of an attribute reach?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.geometry.correlation import bin_centres, correlation_length, pooled_correlation
from facegeom_lit.geometry.statistics import FEWEST
from facegeom_lit.reporting.style import (
    QUIET,
    figure,
    footnote,
    headline,
    legend_beside,
    model_colors,
    percent,
    words,
    wrapped,
)


class Correlations(Protocol):
    """What is drawn of one attribute of one model: a row for each identity."""

    @property
    def correlation(self) -> Tensor:
        """C(r) by bin of distance, shape (I, bins); NaN where a bin holds no pair."""

    @property
    def correlation_pairs(self) -> Tensor:
        """Pairs in each bin, shape (I, bins)."""


def correlation_figure(
    path: str | Path,
    models: Mapping[str, Mapping[str, Correlations]],
    reach: float,
    *,
    title: str = "",
    level: float = 0.95,
) -> None:
    """Draw C(r) over the pairs of all identities, a panel for each attribute.

    A triangle on the axis marks the correlation length of the curve; the lower axis shows how many
    pairs each bin rests on.

    Args:
        path: PNG to write.
        models: Model's name → attribute → its curves.
        reach: Where the last bin ends, in units of the mean distance.
        title: Of the figure.
        level: Coverage of the bands.
    """
    attributes = list(dict.fromkeys(name for series in models.values() for name in series))
    colors = model_colors(models)
    columns = min(4 if len(attributes) > 4 else 2, len(attributes))
    rows = -(-len(attributes) // columns)
    width = 5.2 if columns == 1 else 3.9 if columns == 2 else 2.6
    size = width * columns + (2.4 if len(models) > 1 else 0.4), (0.6 * width + 0.75) * rows + 0.9
    with figure(path, *size) as drawn:
        grid = drawn.subplots(
            2 * rows, columns, squeeze=False, sharex=True, height_ratios=[4.0, 1.0] * rows
        )
        for index, attribute in enumerate(attributes):
            row, column = divmod(index, columns)
            curve, counts = grid[2 * row, column], grid[2 * row + 1, column]
            for model, series in models.items():
                if attribute in series:
                    _draw(curve, counts, series[attribute], reach, level, colors[model])
            _dress(curve, counts, attribute, lowest=index + columns >= len(attributes))
            curve.tick_params(labelleft=column == 0)
            if column == 0:
                curve.set_ylabel("C(r)")
                counts.set_ylabel("pairs", fontsize=7)
        _finish(grid, len(attributes))
        headline(drawn, title)
        legend_beside(drawn, colors)
        footnote(
            drawn,
            f"Line: mean over the pairs of all identities; band: {percent(level)} bootstrap over "
            "identities. Triangle: correlation length, where the line is 1/e of its first point. "
            "Below: pairs in each bin.",
        )


def pooled_band(
    correlation: Tensor,
    pairs: Tensor,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Percentile bootstrap over identities of `pooled_correlation`, bin by bin.

    Args:
        correlation: Of each identity, shape (I, bins); NaN = a bin without pairs.
        pairs: Pairs in each bin, shape (I, bins).
        resamples: How many samples of identities with replacement.
        level: Coverage in (0, 1).
        seed: Of the resampling.

    Returns:
        Lower and upper ends, (bins,), float64; NaN where fewer than `FEWEST` identities have pairs.
    """
    weights = pairs.double().cpu()
    sums = correlation.double().cpu().nan_to_num(nan=0.0) * weights
    count, bins = weights.shape
    enough = (weights > 0).sum(dim=0) >= FEWEST
    ends = torch.full((2, bins), torch.nan, dtype=torch.float64)
    if not enough.any():
        return ends[0], ends[1]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(count, (resamples, count), generator=generator)
    times = torch.zeros(resamples, count, dtype=torch.float64)
    times.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    pooled = (times @ sums) / (times @ weights)
    tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    known = pooled[:, enough]
    ends[:, enough] = (known.nanquantile if known.isnan().any() else known.quantile)(tails, dim=0)
    return ends[0], ends[1]


def _draw(
    curve: Axes, counts: Axes, found: Correlations, reach: float, level: float, color: str
) -> None:
    """Draw one model's curve, band, length and pair counts."""
    pairs = found.correlation_pairs.cpu()
    pooled = pooled_correlation(found.correlation.cpu(), pairs)
    low, high = pooled_band(found.correlation, pairs, level=level)
    centres = bin_centres(len(pooled), reach).numpy()
    curve.plot(centres, pooled.numpy(), color=color, lw=1.5, marker=".", ms=3)
    curve.fill_between(centres, low.numpy(), high.numpy(), color=color, alpha=0.15, lw=0)
    length = correlation_length(pooled, reach)
    if length is not None:
        foot = curve.get_xaxis_transform()
        curve.plot(length, 0.02, "v", color=color, ms=6, mec="white", transform=foot, zorder=4)
    edges = np.linspace(0, reach, len(pooled) + 1)
    total = pairs.sum(dim=0).double().numpy()
    counts.stairs(total, edges, color=color, lw=0.9)


def _dress(curve: Axes, counts: Axes, attribute: str, *, lowest: bool) -> None:
    curve.axhline(0, color=QUIET, lw=0.8)
    curve.set_title(wrapped(words(attribute), 30), fontsize=9)
    curve.tick_params(labelsize=7, labelbottom=False)
    counts.tick_params(labelsize=7, labelbottom=lowest)
    counts.set_ylim(bottom=0)
    counts.locator_params(axis="y", nbins=2)
    counts.yaxis.set_major_formatter(lambda value, _: short(value))
    if lowest:
        counts.set_xlabel("r / mean distance", fontsize=8)


def short(count: float) -> str:
    """Return a count as few characters.

    Example:
        >>> short(250), short(12_500), short(3_000_000)
        ('250', '12.5k', '3M')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.4g}{letter}"
    return f"{count:.4g}"


def _finish(grid: NDArray[np.object_], count: int) -> None:
    """Share the height of C(r) among the panels; empty what is left of the last row."""
    curves, counts = grid[::2].ravel(), grid[1::2].ravel()
    low = min(axis.get_ylim()[0] for axis in curves[:count])
    high = max(axis.get_ylim()[1] for axis in curves[:count])
    for axis in curves[:count]:
        axis.set_ylim(low, high)
    for axis in [*curves[count:], *counts[count:]]:
        axis.set_axis_off()
