"""What training did over its steps, from the figures that the run logged."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from facegeom_lit.reporting.style import ACCENT, AFTER, figure, words

COLORS = (AFTER, ACCENT)
Series = dict[str, list[tuple[int, float]]]


def read_metrics(folder: str | Path) -> Series:
    """Read the CSV logger's tables of every session of a run: metric → (step, value), by step.

    A run that was interrupted has logged some steps twice; the later session counts.
    """
    found: dict[str, dict[int, float]] = defaultdict(dict)
    tables = Path(folder).glob("session_*/metrics.csv")
    for table in sorted(tables, key=lambda file: int(file.parent.name.split("_")[1])):
        with table.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                for name, value in row.items():
                    if value and name not in ("step", "epoch"):
                        found[name][int(row["step"])] = float(value)
    return {name: sorted(values.items()) for name, values in found.items()}


def training_figure(
    path: str | Path, series: Series, attribute: str | None, verification_set: str
) -> None:
    """Draw the loss, and the target's energy, response and verification at each validation.

    Args:
        path: PNG to write.
        series: From `read_metrics`.
        attribute: The targeted attribute, or None.
        verification_set: Whose AUC is drawn.
    """
    panels = [("loss", ["train/loss_identity", "train/loss_attribute"])]
    if attribute is not None:
        panels += [
            (f"{kind}: {words(attribute)}", [f"val/{kind}/{attribute}"])
            for kind in ("energy", "response")
        ]
    panels.append(("AUC", [f"val/verify/{verification_set}/auc"]))
    with figure(path, 2.6 * len(panels), 2.5) as drawn:
        for axis, (title, names) in zip(drawn.subplots(1, len(panels)), panels, strict=True):
            drawn_series = [(n, c) for n, c in zip(names, COLORS, strict=False) if series.get(n)]
            for name, color in drawn_series:
                steps, values = zip(*series[name], strict=True)
                few = "o-" if len(steps) < 20 else "-"
                axis.plot(steps, values, few, color=color, ms=4, lw=1.4, label=name.split("_")[-1])
            axis.set(title=title, xlabel="step")
            if len(drawn_series) > 1:
                axis.legend()
            if not drawn_series:
                axis.text(0.5, 0.5, "not logged", ha="center", transform=axis.transAxes)
                axis.set(xticks=[], yticks=[])
