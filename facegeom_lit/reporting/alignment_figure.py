"""The alignment heat map: how well each map carries identity between two models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from facegeom_lit.reporting.style import figure


def alignment_figure(
    path: str | Path, rows: Mapping[str, Mapping[str, float | None]], title: str
) -> None:
    """Draw rank-1 by (model pair and direction) and map.

    Args:
        path: PNG to write.
        rows: Row's name → column's name (map, native) → rank-1 in [0, 1], None where undefined.
        title: What the figures are.
    """
    columns: Sequence[str] = list(dict.fromkeys(name for row in rows.values() for name in row))
    values = np.array(
        [[np.nan if (v := row.get(c)) is None else v for c in columns] for row in rows.values()]
    )
    with figure(path, 0.95 * len(columns) + 3.2, 0.5 * len(rows) + 1.3) as drawn:
        axis = drawn.subplots()
        axis.grid(False)
        image = axis.imshow(values, vmin=0, vmax=1, cmap="YlGnBu", aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            text = "–" if np.isnan(value) else f"{value:.3f}"
            axis.text(
                column, row, text, ha="center", va="center", color="w" if value > 0.55 else "k"
            )
        axis.set_xticks(range(len(columns)), columns)
        axis.set_yticks(range(len(rows)), list(rows))
        axis.set_title(title)
        drawn.colorbar(image, ax=axis, shrink=0.9)
