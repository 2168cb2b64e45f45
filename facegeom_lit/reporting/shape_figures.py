"""The shape of a cloud of embeddings: persistence diagrams and spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from facegeom_lit.geometry.shape.spectra import Spectrum
from facegeom_lit.reporting.style import (
    QUIET,
    figure,
    footnote,
    headline,
    model_colors,
    panels,
    wrapped,
)

_DIMENSIONS = ("#2a6f97", "#c8553d", "#999933", "#882255")
_SHAPES = "osD^"
LEAST = 1e-9
"""Smallest share of the variance that is drawn: what rounding leaves of zero is smaller."""


def persistence_figure(
    path: str | Path,
    diagrams: Mapping[str, Sequence[ArrayLike]],
    *,
    title: str = "",
    unit: str = "distance",
) -> None:
    """Draw birth against death of every homology class, a panel for each cloud.

    Args:
        path: PNG to write.
        diagrams: Name of the cloud → by homology dimension, births and deaths of its classes,
            shape (P, 2); a class that never dies has an infinite death and stands on the top line.
        title: Of the figure.
        unit: What births and deaths are measured in.
    """
    found = {
        name: [np.asarray(each, dtype=float).reshape(-1, 2) for each in of_cloud]
        for name, of_cloud in diagrams.items()
    }
    columns = 3 if len(found) > 4 else 2
    count = min(columns, len(found))
    rows = -(-len(found) // columns)
    with figure(path, 3.7 * count + 0.3, 3.5 * rows + 0.8) as drawn:
        axes = panels(drawn, len(found), columns)
        for axis, (name, of_cloud) in zip(axes, found.items(), strict=True):
            _diagram(axis, of_cloud)
            axis.set_title(wrapped(name, 40), fontsize=9)
        for axis in axes[-count:]:
            axis.set_xlabel(f"birth ({unit})")
        for axis in axes[::columns]:
            axis.set_ylabel(f"death ({unit})")
        headline(drawn, title)
        endless = any(np.isinf(each).any() for of_cloud in found.values() for each in of_cloud)
        footnote(drawn, "Dotted: classes that never die." if endless else "")


def _diagram(axis: Axes, diagrams: Sequence[NDArray[np.float64]]) -> None:
    everything = np.concatenate([np.zeros((0, 2)), *diagrams])
    finite = everything[np.isfinite(everything)]
    if not len(finite):
        axis.text(0.5, 0.5, "no class", transform=axis.transAxes, ha="center", color=QUIET)
        return
    low, high = min(float(finite.min()), 0.0), float(finite.max()) or 1.0
    top = high + 0.08 * (high - low)
    axis.plot([low, top], [low, top], color=QUIET, lw=0.8)
    if np.isinf(everything).any():
        axis.axhline(top, color=QUIET, lw=0.8, ls=":")
    for dimension, points in enumerate(diagrams):
        shape, color = _SHAPES[dimension % 4], _DIMENSIONS[dimension % 4]
        label = f"$H_{{{dimension}}}$: {len(points)}"
        deaths = np.where(np.isinf(points[:, 1]), top, points[:, 1])
        births = points[:, 0]
        axis.plot(births, deaths, shape, color=color, ms=3.5, alpha=0.6, mew=0, label=label)
    margin = 0.03 * (top - low)
    axis.set(xlim=(low - margin, top + margin), ylim=(low - margin, top + margin), aspect="equal")
    axis.legend(loc="lower right", fontsize=8)


def spectrum_figure(path: str | Path, spectra: Mapping[str, Spectrum], *, title: str = "") -> None:
    """Draw the explained variance of each principal component, and its running sum.

    A triangle marks the participation ratio: how many directions carry the variance.

    Args:
        path: PNG to write.
        spectra: Model's name → variances along its principal components.
        title: Of the figure.
    """
    colors = model_colors(spectra)
    with figure(path, 10.0, 4.2 + 0.12 * max(len(spectra) - 6, 0)) as drawn:
        each, summed = drawn.subplots(1, 2)
        for name, spectrum in spectra.items():
            ratio = spectrum.participation_ratio
            label = f"{wrapped(name, 34)} ({'–' if ratio is None else f'{ratio:.1f}'})"
            if ratio is None:  # all points are one: nothing but a name
                each.plot([], [], color=colors[name], label=label)
                continue
            _curves(each, summed, spectrum, ratio, colors[name], label)
        each.set(xscale="log", yscale="log", xlabel="rank", ylabel="share of the variance")
        summed.set(xscale="log", xlabel="rank", ylabel="share of the variance up to this rank")
        summed.set_ylim(0, 1.03)
        each.legend(fontsize=7, title="model (participation ratio)", title_fontsize=7)
        headline(drawn, title)
        unknown = any(spectrum.participation_ratio is None for spectrum in spectra.values())
        footnote(
            drawn,
            "Triangles: participation ratio.",
            "–: no variance, not drawn." if unknown else "",
        )


def _curves(
    each: Axes, summed: Axes, spectrum: Spectrum, ratio: float, color: str, label: str
) -> None:
    """Draw one spectrum in both panels, with its mark."""
    share = spectrum.eigenvalues.double().cpu().numpy()
    share = share / share.sum()
    rank = np.arange(1, len(share) + 1)
    shown = share > LEAST
    each.plot(rank[shown], share[shown], color=color, lw=1.4, label=label)
    summed.plot(rank, share.cumsum(), color=color, lw=1.4)
    for axis, curve in ((each, share), (summed, share.cumsum())):
        axis.plot(ratio, np.interp(ratio, rank, curve), "v", color=color, ms=7, mec="w", zorder=3)
