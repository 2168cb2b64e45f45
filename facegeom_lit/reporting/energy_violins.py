"""Energies over identities as violins, with marks where two models differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.geometry.statistics import FEWEST, stars
from facegeom_lit.reporting.style import (
    ACCENT,
    QUIET,
    figure,
    footnote,
    headline,
    model_colors,
    panels,
    percent,
    words,
    wrapped,
)
from facegeom_lit.reporting.violin import bracket, known, violin

ByAttribute = Mapping[str, Tensor]
"""One value for each identity, shape (I,), by attribute; NaN where an identity has none."""
Marks = Mapping[tuple[str, str, str], float]
"""(attribute, model, other model) → p, corrected for the number of tests; in any order."""

MOST_SIDE_BY_SIDE = 3
"""Models whose violins stand beside each other; more have a panel for each attribute."""
MOST_UPRIGHT = 12
"""Attributes along the horizontal axis; more stand below each other."""
TEST = "Mann-Whitney test, Holm corrected"
"""What stars stand for."""
STARS = f"{TEST}: * p < .05, ** p < .01, *** p < .001."


def energy_violins(
    path: str | Path,
    energies: Mapping[str, ByAttribute],
    marks: Marks | None = None,
    *,
    title: str = "",
    target: str | None = None,
    level: float = 0.95,
) -> None:
    """Draw how energies spread over identities, by attribute and model.

    As in the figures of arXiv 2507.11372: a bracket with stars joins two models that differ. With
    more than three models each attribute has a panel, whose title counts the pairs that differ
    (`significance_figure` shows which).

    Args:
        path: PNG to write.
        energies: Model's name → attribute → energies of its identities, in [0, 2].
        marks: p of each pair that was tested; None where nothing was.
        title: Of the figure.
        target: An attribute to set in bold.
        level: Coverage of the interval of the mean over identities.
    """
    attributes = list(dict.fromkeys(name for series in energies.values() for name in series))
    marks = marks or {}
    if len(energies) <= MOST_SIDE_BY_SIDE:
        _side_by_side(path, energies, attributes, marks, title, target, level)
    else:
        _panels(path, energies, attributes, marks, title, target, level)


def p_of(marks: Marks, attribute: str, first: str, second: str) -> float | None:
    """Return p of a pair of models in whichever order it stands; None where it was not tested."""
    return marks.get((attribute, first, second), marks.get((attribute, second, first)))


def _side_by_side(
    path: str | Path,
    energies: Mapping[str, ByAttribute],
    attributes: Sequence[str],
    marks: Marks,
    title: str,
    target: str | None,
    level: float,
) -> None:
    """Draw one axis: the violins of an attribute's models beside each other."""
    upright = len(attributes) <= MOST_UPRIGHT
    wide = (0.3 * len(energies) + 0.36) * len(attributes)
    tall = (0.17 * len(energies) + 0.12) * len(attributes)
    size = (max(wide + 1.4, 4.6), 4.2) if upright else (7.6, tall + 1.4)
    colors = model_colors(energies)
    shifts = (np.arange(len(energies)) - (len(energies) - 1) / 2) * 0.8 / len(energies)
    step = _step(energies)
    with figure(path, *size) as drawn:
        axis = drawn.subplots()
        for (model, series), shift in zip(energies.items(), shifts, strict=True):
            for row, attribute in enumerate(attributes):
                values = known(series.get(attribute))
                width = min(0.72 / len(energies), 0.5)
                at = row + float(shift)
                violin(axis, values, at, colors[model], width, upright=upright, level=level)
        for row, attribute in enumerate(attributes):
            _brackets(axis, energies, attribute, row + shifts, marks, step, upright)
        names = [wrapped(words(name), 14 if upright else 26) for name in attributes]
        (axis.set_xticks if upright else axis.set_yticks)(range(len(attributes)), names)
        labels = axis.get_xticklabels() if upright else axis.get_yticklabels()
        for label, name in zip(labels, attributes, strict=True):
            label.set_fontweight("bold" if name == target else "normal")
        if upright:
            axis.tick_params(axis="x", labelsize=8, length=0)
            axis.set_xlim(-0.6, len(attributes) - 0.4)
            axis.grid(False, axis="x")
        else:
            axis.set_ylim(len(attributes) - 0.4, -0.6)
        _one(axis, upright)
        headline(drawn, title)
        if len(energies) > 1:
            _legend(drawn, axis, colors)
        _remark(drawn, energies, attributes, marks, level)


def _panels(
    path: str | Path,
    energies: Mapping[str, ByAttribute],
    attributes: Sequence[str],
    marks: Marks,
    title: str,
    target: str | None,
    level: float,
) -> None:
    """Draw a panel for each attribute, a row in it for each model."""
    colors = model_colors(energies)
    columns = min(4, len(attributes))
    rows = -(-len(attributes) // columns)
    names = [wrapped(model, 26) for model in energies]
    size = 2.2 * columns + 2.2, (0.22 * len(energies) + 0.55) * rows + 0.9
    with figure(path, *size) as drawn:
        axes = panels(drawn, len(attributes), columns, sharex=True, sharey=True)
        for axis, attribute in zip(axes, attributes, strict=True):
            for row, (model, series) in enumerate(energies.items()):
                values = known(series.get(attribute))
                violin(axis, values, row, colors[model], 0.8, upright=False, level=level)
            axis.set_title(
                _counted(words(attribute), attribute, energies, marks),
                fontsize=8,
                fontweight="bold" if attribute == target else "normal",
            )
            axis.set_yticks(range(len(names)), names)
            axis.tick_params(labelsize=7)
            _one(axis, upright=False, label=axis in axes[-columns:])
        axes[0].set_ylim(len(energies) - 0.4, -0.6)
        headline(drawn, title)
        _remark(drawn, energies, attributes, marks, level)


def _counted(name: str, attribute: str, energies: Mapping[str, ByAttribute], marks: Marks) -> str:
    found = [p_of(marks, attribute, *pair) for pair in combinations(energies, 2)]
    tested = [p for p in found if p is not None]
    title = wrapped(name, 30)
    if not tested:
        return title
    return f"{title}\n{sum(p < 0.05 for p in tested)} of {len(tested)} pairs differ"


def _brackets(
    axis: Axes,
    energies: Mapping[str, ByAttribute],
    attribute: str,
    places: NDArray[np.float64],
    marks: Marks,
    step: float,
    upright: bool,
) -> None:
    """Join the pairs of models that differ, the nearest pairs innermost."""
    names = list(energies)
    tops = [float(v.max()) for s in energies.values() if len(v := known(s.get(attribute)))]
    height = max(tops, default=1.0)
    pairs = sorted(combinations(range(len(names)), 2), key=lambda pair: pair[1] - pair[0])
    for first, second in pairs:
        p = p_of(marks, attribute, names[first], names[second])
        if p is not None and stars(p):
            height += step
            ends = (float(places[first]), float(places[second]))
            bracket(axis, ends, height, step, stars(p), upright=upright)
            height += step / 2


def _step(energies: Mapping[str, ByAttribute]) -> float:
    """Return how far apart brackets stand: a share of the axis, which holds 1."""
    everything = [known(values) for series in energies.values() for values in series.values()]
    values = torch.cat([torch.ones(1), *everything])
    return 0.055 * max(float(values.max() - values.min()), 0.1)


def _one(axis: Axes, upright: bool, label: bool = True) -> None:
    """Mark the energy of independent directions."""
    (axis.axhline if upright else axis.axvline)(1, color=ACCENT, lw=0.9, ls="--", zorder=1)
    if label:
        named = axis.set_ylabel if upright else axis.set_xlabel
        named("energy (1: independent directions)", fontsize=9 if upright else 8)


def _legend(drawn: Figure, axis: Axes, colors: Mapping[str, str]) -> None:
    handles = [axis.plot([], [], color=color, lw=6, alpha=0.6)[0] for color in colors.values()]
    names = [wrapped(name, 34) for name in colors]
    longest = max(len(line) for name in names for line in name.split("\n"))
    room = (drawn.get_figwidth() - 0.8) / (0.075 * longest + 0.6)  # inches, at this size
    axis.legend(
        handles,
        names,
        ncol=max(1, min(int(room), len(names))),
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        fontsize=8,
        labelcolor=QUIET,
    )


def _remark(
    drawn: Figure,
    energies: Mapping[str, ByAttribute],
    attributes: Sequence[str],
    marks: Marks,
    level: float,
) -> None:
    differ = any(map(stars, marks.values()))
    told = STARS if differ else f"No two models differ (p < .05; {TEST})."
    counts = {len(known(s.get(name))) for s in energies.values() for name in attributes}
    few = any(0 < count < FEWEST for count in counts)
    footnote(
        drawn,
        f"Dot and bar: mean over identities and its {percent(level)} interval.",
        told if marks and len(energies) <= MOST_SIDE_BY_SIDE else "",
        f"Small dots: identities, where fewer than {FEWEST} have a value." if few else "",
        "–: no identity has a value." if 0 in counts else "",
    )
