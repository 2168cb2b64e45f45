"""What each objective did to its target, and at what cost in verification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes

from facegeom_lit.geometry.statistics import FEWEST, Interval, bootstrap_interval
from facegeom_lit.reporting.style import (
    QUIET,
    figure,
    footnote,
    headline,
    model_colors,
    words,
    wrapped,
)


@dataclass(frozen=True, slots=True)
class ObjectiveRun:
    """One fine-tuning of a study.

    Attributes:
        objective: Name of the objective, or arm.
        attribute: What was fine-tuned for.
        seed: Of the run.
        geometry: After − before of the target's energy (or response), mean over identities; None
            where undefined.
        verification: After − before of a verification figure; None where undefined.
    """

    objective: str
    attribute: str
    seed: int
    geometry: float | None
    verification: float | None


def objective_figure(
    path: str | Path,
    rows: Sequence[ObjectiveRun],
    *,
    geometry: str = "energy",
    verification: str = "AUC",
    title: str = "",
) -> None:
    """Draw the change of the target against that of verification, and the former by attribute.

    On the left a small point for each run and a large one for the mean of an objective, with 95 %
    intervals over attributes (seeds of an attribute are averaged first: they are no further
    attributes). On the right a bar for each attribute and objective, with its seeds as dots.

    Args:
        path: PNG to write.
        rows: The runs.
        geometry: Name of the geometric measure.
        verification: Name of the verification figure.
        title: Of the figure.
    """
    objectives = list(dict.fromkeys(row.objective for row in rows))
    attributes = list(dict.fromkeys(row.attribute for row in rows))
    colors = model_colors(objectives)
    height = max(0.12 * len(attributes) * len(objectives) + 0.14 * len(attributes) + 1.6, 4.4)
    missing = 0
    absent, few = False, False
    with figure(path, 10.4, height) as drawn:
        scatter, bars = drawn.subplots(1, 2, width_ratios=(1.15, 1))
        for index, objective in enumerate(objectives):
            own = [row for row in rows if row.objective == objective]
            missing += sum(None in (row.geometry, row.verification) for row in own)
            few |= not _scatter(scatter, own, objective, colors[objective])
            shift = (index - (len(objectives) - 1) / 2) * 0.8 / len(objectives)
            thick = min(0.74 / len(objectives), 0.4)
            absent |= _bars(bars, own, attributes, shift, thick, colors[objective])
        for line in (scatter.axhline, scatter.axvline, bars.axvline):
            line(0, color=QUIET, lw=0.8, zorder=1)
        scatter.set_xlabel(f"change of {verification}")
        scatter.set_ylabel(f"change of the target's {geometry}")
        scatter.margins(0.08)
        for axis in (scatter, bars):
            axis.locator_params(axis="x", nbins=6)
        if missing < len(rows):
            scatter.legend(fontsize=8, loc="best", frameon=True, framealpha=0.8, edgecolor="none")
        else:
            scatter.set(xlim=(-1, 1), ylim=(-1, 1))
        names = [wrapped(words(name), 24) for name in attributes]
        bars.set_yticks(range(len(names)), names)
        bars.set_ylim(len(names) - 0.5, -0.5)
        bars.grid(False, axis="y")
        bars.set_xlabel(f"change of the target's {geometry}")
        headline(drawn, title)
        footnote(
            drawn,
            "Small: a run (right: a seed). Large: mean over attributes with its 95 % interval.",
            f"Without bars: fewer than {FEWEST} attributes." if few else "",
            "–: no seed has a value." if absent else "",
            f"Not drawn on the left, for want of a value: {missing} of {len(rows)} runs."
            if missing
            else "",
        )


def _scatter(axis: Axes, rows: Sequence[ObjectiveRun], objective: str, color: str) -> bool:
    """Draw the runs of an objective and their mean; return whether it has an interval, if any."""
    both = [row for row in rows if None not in (row.geometry, row.verification)]
    x = [row.verification for row in both]
    y = [row.geometry for row in both]
    axis.plot(x, y, "o", color=color, ms=3.5, alpha=0.45, mew=0)  # type: ignore[arg-type]
    across, up = over_attributes(both, "verification"), over_attributes(both, "geometry")
    if across.value is None or up.value is None:
        return True
    if across.low is not None and across.high is not None:
        axis.plot([across.low, across.high], [up.value] * 2, color=color, lw=2)
    if up.low is not None and up.high is not None:
        axis.plot([across.value] * 2, [up.low, up.high], color=color, lw=2)
    label = wrapped(words(objective), 30)
    axis.plot(
        across.value, up.value, "o", color=color, ms=10, mec="white", mew=1.2, label=label, zorder=4
    )
    return up.low is not None


def over_attributes(rows: Sequence[ObjectiveRun], measure: str) -> Interval:
    """Average a measure over the seeds of each attribute, then over attributes.

    Args:
        rows: Runs of one objective.
        measure: `geometry` or `verification`; runs without it are left out.

    Returns:
        The mean with its 95 % interval over attributes.
    """
    by_attribute: dict[str, list[float]] = {}
    for row in rows:
        value = getattr(row, measure)
        if value is not None:
            by_attribute.setdefault(row.attribute, []).append(value)
    means = [float(np.mean(values)) for values in by_attribute.values()]
    return bootstrap_interval(torch.tensor(means, dtype=torch.float64))


def _bars(
    axis: Axes,
    rows: Sequence[ObjectiveRun],
    attributes: Sequence[str],
    shift: float,
    height: float,
    color: str,
) -> bool:
    """Draw the mean over seeds of each attribute, and the seeds; return whether any has none."""
    absent = False
    for place, attribute in enumerate(attributes):
        seeds = [r.geometry for r in rows if r.attribute == attribute and r.geometry is not None]
        if not seeds:
            across = axis.get_yaxis_transform()
            axis.text(
                0.01, place + shift, "–", transform=across, va="center", color=color, fontsize=11
            )
            absent = True
            continue
        axis.barh(place + shift, float(np.mean(seeds)), height=height, color=color, alpha=0.55)
        axis.plot(seeds, [place + shift] * len(seeds), "o", color=color, ms=2.5)
    return absent
