"""Energy and response by attribute, before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from facegeom_lit.geometry.statistics import bootstrap_interval, holm, mann_whitney
from facegeom_lit.reporting.energy_violins import energy_violins
from facegeom_lit.reporting.style import AFTER, figure, model_colors, words

ByAttribute = Mapping[str, Tensor]
"""One value for each identity, by attribute; NaN where an identity has none."""


def attribute_figure(
    path: str | Path,
    panels: Mapping[str, Mapping[str, ByAttribute]],
    target: str | None,
) -> None:
    """Draw one panel per measure: a row per attribute, a dot per model, bars of 95 %.

    Args:
        path: PNG to write.
        panels: Measure's title → model's name → values, models in the order before, after.
        target: The attribute that was fine-tuned for, set in bold.
    """
    attributes = list(next(iter(next(iter(panels.values())).values())))
    with figure(path, 3.4 * len(panels) + 1, 0.4 * len(attributes) + 1.4) as drawn:
        axes = np.atleast_1d(drawn.subplots(1, len(panels), sharey=True))
        for axis, (title, series) in zip(axes, panels.items(), strict=True):
            colors = model_colors(series)
            shifts = np.linspace(-0.14, 0.14, len(series)) if len(series) > 1 else [0.0]
            for shift, (name, values) in zip(shifts, series.items(), strict=True):
                _dots(axis, values, attributes, float(shift), name, colors[name])
            axis.set_title(title)
        _name_rows(axes[0], attributes, target)
        axes[0].set_ylim(len(attributes) - 0.5, -0.5)
        axes[-1].legend(loc="best")


def _dots(
    axis: Axes, values: ByAttribute, attributes: Sequence[str], shift: float, name: str, color: str
) -> None:
    """Draw the mean over identities of each attribute with its interval."""
    label: str | None = name
    for row, attribute in enumerate(attributes):
        interval = bootstrap_interval(values[attribute])
        if interval.value is None:
            continue
        if interval.low is not None and interval.high is not None:
            axis.plot([interval.low, interval.high], [row + shift] * 2, color=color, lw=2)
        axis.plot(interval.value, row + shift, "o", color=color, ms=5, label=label)
        label = None


def _name_rows(axis: Axes, attributes: Sequence[str], target: str | None) -> None:
    axis.set_yticks(range(len(attributes)), [words(name) for name in attributes])
    for text, name in zip(axis.get_yticklabels(), attributes, strict=True):
        if name == target:
            text.set_fontweight("bold")
            text.set_color(AFTER)


def violin_figure(path: str | Path, models: Mapping[str, ByAttribute], target: str | None) -> None:
    """Draw the spread of energies over identities, by attribute.

    Stars mark attributes whose energies differ before and after (Mann-Whitney U, corrected by Holm
    for the number of attributes), as in the figures of arXiv 2507.11372.

    Args:
        path: PNG to write.
        models: Model's name → energies, in the order before, after.
        target: The attribute that was fine-tuned for, set in bold.
    """
    marks = {}
    if len(models) == 2:
        (first, before), (second, after) = models.items()
        tested = [
            name for name in after if not (before[name].isnan().all() or after[name].isnan().all())
        ]
        p = holm([mann_whitney(before[name], after[name])[1] for name in tested])
        marks = {(name, first, second): each for name, each in zip(tested, p, strict=True)}
    energy_violins(path, models, marks, target=target)
