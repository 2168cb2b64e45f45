"""Energy and response by attribute, before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from facegeom_lit.geometry.statistics import bootstrap_interval, holm, mann_whitney, stars
from facegeom_lit.reporting.style import ACCENT, AFTER, BEFORE, figure, words

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
            colors = (BEFORE, AFTER)[-len(series) :]
            shifts = np.linspace(-0.14, 0.14, len(series)) if len(series) > 1 else [0.0]
            for shift, (name, values), color in zip(shifts, series.items(), colors, strict=True):
                _dots(axis, values, attributes, float(shift), name, color)
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

    Stars mark attributes whose energies differ between two models (Mann-Whitney U, Holm
    corrected; * p < .05, ** < .01, *** < .001), as in the figures of arXiv 2507.11372.

    Args:
        path: PNG to write.
        models: Model's name → energies, in the order before, after.
        target: The attribute that was fine-tuned for, set in bold.
    """
    attributes = list(next(iter(models.values())))
    colors = (BEFORE, AFTER)[-len(models) :]
    shifts = (-0.2, 0.2) if len(models) > 1 else (0.0,)
    with figure(path, 0.95 * len(attributes) + 1.8, 3.8) as drawn:
        axis = drawn.subplots()
        for (name, series), color, shift in zip(models.items(), colors, shifts, strict=True):
            axis.plot([], [], color=color, lw=6, alpha=0.6, label=name)
            for column, attribute in enumerate(attributes):
                _violin(axis, series[attribute], column + shift, color)
        if len(models) > 1:
            _mark(axis, *models.values())
        axis.axhline(1, color=ACCENT, lw=0.8, ls="--")
        axis.set_ylabel("energy (1 = independent directions)")
        axis.set_xticks(
            range(len(attributes)), [words(n) for n in attributes], rotation=25, ha="right"
        )
        for text, name in zip(axis.get_xticklabels(), attributes, strict=True):
            text.set_fontweight("bold" if name == target else "normal")
        axis.legend(ncol=2, loc="upper left", bbox_to_anchor=(0, 1.12))


def _violin(axis: Axes, values: Tensor, at: float, color: str) -> None:
    """Draw one violin with its median; nothing for fewer than two identities."""
    known = values[~values.isnan()].numpy()
    if len(known) < 2 or np.ptp(known) == 0:
        return
    body = axis.violinplot(known, [at], widths=0.36, showmedians=True)
    for part in body["bodies"]:  # type: ignore[attr-defined]
        part.set(facecolor=color, alpha=0.55)
    for key in ("cmedians", "cmins", "cmaxes", "cbars"):
        body[key].set(color=color, lw=1)


def _mark(axis: Axes, before: ByAttribute, after: ByAttribute) -> None:
    """Put stars above attributes that differ."""
    names = list(after)
    tested = [n for n in names if (~before[n].isnan()).any() and (~after[n].isnan()).any()]
    corrected = holm([mann_whitney(before[name], after[name])[1] for name in tested])
    for name, p in zip(tested, corrected, strict=True):
        top = np.nanmax(torch.cat([before[name], after[name]]).numpy())
        axis.text(names.index(name), top + 0.01, stars(p), ha="center", fontsize=11)
