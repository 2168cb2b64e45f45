"""What training did over its steps, from the figures that the run logged."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from facegeom_lit.reporting.style import ACCENT, AFTER, figure, words

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
            for name, color in zip(names, (AFTER, ACCENT), strict=False):
                points = series.get(name, [])
                few = "o-" if len(points) < 20 else "-"
                steps, values = ([p[0] for p in points], [p[1] for p in points])
                axis.plot(steps, values, few, color=color, ms=4, lw=1.4, label=name.split("_")[-1])
            axis.set(title=title, xlabel="step")
            if len(names) > 1:
                axis.legend()
