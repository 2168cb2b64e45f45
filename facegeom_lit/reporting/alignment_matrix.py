"""How well every model's probes are found in every model's gallery, before and after maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.reporting.alignment_summary import known, median
from facegeom_lit.reporting.heat_map import heat_map, model_matrices, outline
from facegeom_lit.reporting.style import footnote, headline
from facegeom_lit.reporting.tables import number


def matrix_figure(
    path: str | Path,
    models: Sequence[str],
    matrices: Mapping[str, NDArray[np.float64]],
    title: str,
) -> None:
    """Draw a matrix for each map, all in one scale.

    Args:
        path: PNG to write.
        models: Rows (of the probes) and columns (of the gallery), in the order of their families.
        matrices: Map's name → figures in [0, 1], shape (M, M), native on the diagonal.
        title: Of the figure.
    """
    count = len(models)
    sides = "model of the probes", "model of the gallery"
    with model_matrices(path, count, len(matrices), sides) as (drawn, axes):
        for axis, (name, values) in zip(axes, matrices.items(), strict=True):
            heat_map(axis, values, models, models, size=6.5)
            outline(axis, [(place, place) for place in range(count)])
            middle = median(known(values[~np.eye(count, dtype=bool)].tolist()))
            axis.set_title(f"{name} (median {number(middle)})", fontsize=9)
        headline(drawn, title)
        footnote(
            drawn,
            "Outlined: native, a model's own probes against its own gallery; medians without it.",
            "–: not measured." if any(np.isnan(v).any() for v in matrices.values()) else "",
        )
