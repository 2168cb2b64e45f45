"""What every attribute does at the macroscale, by model: heat maps that share their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from facegeom_lit.reporting.style import figure, footnote, headline, words, wrapped

Value = float | None
ByModel = Mapping[str, Mapping[str, Value]]
"""Model's name → attribute → value; None where undefined."""


def macroscale_figure(
    path: str | Path, measures: Mapping[str, ByModel], *, title: str = ""
) -> None:
    """Draw a heat map for each measure: a row per attribute, a column per model, with numbers.

    Rows are sorted by the first measure's mean over models, the largest on top; attributes that
    have none stand last.

    Args:
        path: PNG to write.
        measures: Name of the measure (`mean KS`, `probe: balanced accuracy`) → values.
        title: Of the figure.
    """
    models = list(dict.fromkeys(name for values in measures.values() for name in values))
    attributes = _sorted(measures)
    column = 0.42 if len(measures) < 3 else 0.33
    width = max(column * len(models), 1.3) + (0.75 if len(measures) < 3 else 0.5)
    longest = max(len(wrapped(name, 26).split("\n")[0]) for name in models)
    head = 0.075 * longest + 0.9
    with figure(path, width * len(measures) + 1.7, 0.19 * len(attributes) + head + 0.7) as drawn:
        axes = np.atleast_1d(drawn.subplots(1, len(measures), sharey=True))
        absent = False
        for axis, (measure, values) in zip(axes, measures.items(), strict=True):
            table = _table(values, models, attributes)
            absent |= bool(np.isnan(table).any())
            shown = axis.imshow(np.ma.masked_invalid(table), cmap="viridis", aspect="auto")
            if np.isnan(table).all():
                shown.set_clim(0, 1)
            _numbers(axis, table)
            _dress(axis, measure, models, attributes)
            bar = drawn.colorbar(shown, ax=axis, location="bottom", shrink=0.8, pad=0.01, aspect=25)
            bar.ax.tick_params(labelsize=6)
            bar.ax.locator_params(axis="x", nbins=max(len(models), 3))
        headline(drawn, title)
        footnote(drawn, "–: undefined, the table says why." if absent else "")


def _sorted(measures: Mapping[str, ByModel]) -> list[str]:
    names = dict.fromkeys(
        name for values in measures.values() for series in values.values() for name in series
    )
    first = next(iter(measures.values()))

    def mean(name: str) -> float:
        known = [value for series in first.values() if _is_known(value := series.get(name))]
        return float(np.mean(known)) if known else -np.inf  # type: ignore[arg-type]

    return sorted(names, key=mean, reverse=True)


def _is_known(value: Value) -> bool:
    return value is not None and bool(np.isfinite(value))


def _table(
    values: ByModel, models: Sequence[str], attributes: Sequence[str]
) -> NDArray[np.float64]:
    """Return the values as a matrix; NaN where there is none."""
    rows = [[values.get(model, {}).get(name) for model in models] for name in attributes]
    return np.array(rows, dtype=float)


def _numbers(axis: Axes, table: NDArray[np.float64]) -> None:
    known = table[~np.isnan(table)]
    middle = (known.min() + known.max()) / 2 if len(known) else 0.0
    for (row, column), value in np.ndenumerate(table):
        text = "–" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}"  # no −0
        color = "w" if value < middle else "k"
        axis.text(column, row, text, ha="center", va="center", fontsize=6, color=color)


def _dress(axis: Axes, measure: str, models: Sequence[str], attributes: Sequence[str]) -> None:
    axis.grid(False)
    axis.set_title(wrapped(measure, max(int(6 * len(models)), 18)), fontsize=9)
    names = [wrapped(name, 26) for name in models]
    axis.set_xticks(range(len(models)), names, rotation=90, fontsize=7)
    axis.xaxis.tick_top()
    labels = [words(name).replace("$", r"\$") for name in attributes]
    axis.set_yticks(range(len(attributes)), labels, fontsize=7)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
