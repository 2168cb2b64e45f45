"""Which models are of one family: a tree beside the matrix that it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list

from facegeom_lit.evaluation.alignment.result import Families
from facegeom_lit.reporting.alignment_summary import map_name
from facegeom_lit.reporting.heat_map import NAMES, heat_map, map_size, outline
from facegeom_lit.reporting.style import QUIET, figure, footnote, headline, model_colors

TREE = 3.0
"""Inches of the tree."""


def dendrogram_figure(path: str | Path, families: Families) -> None:
    """Draw the tree on the left, its matrix of rank-1 on the right, each family in its colour.

    Args:
        path: PNG to write.
        families: Models, their tree and their matrix.
    """
    order = leaves_list(families.linkage)
    models = [families.models[index] for index in order]
    hues = model_colors(f"{number}" for number in sorted(set(families.family)))
    colors = [hues[str(number)] for number in families.family]
    width, height = map_size(len(models), len(models))
    size = TREE + NAMES + max(width, 2.2), max(height, 1.1) + NAMES + 0.8
    with figure(path, *size) as drawn:
        tree, matrix = drawn.subplots(1, 2, width_ratios=[TREE, max(width, 2.2)])
        heat_map(matrix, families.matrix[np.ix_(order, order)], models, models, size=6.5)
        outline(matrix, [(place, place) for place in range(len(models))])
        matrix.yaxis.tick_right()
        for labels in (matrix.get_yticklabels(), matrix.get_xticklabels()):
            for text, index in zip(labels, order, strict=True):
                text.set_color(colors[index])
        matrix.set_xlabel("model of the gallery", fontsize=8)
        matrix.set_title("rank-1", fontsize=9)
        _tree(tree, families.linkage, order, colors)
        tree.set_ylim(len(models) - 0.5, -0.5)
        count = len(hues)
        what = f"{count} {'family' if count == 1 else 'families'} by {map_name(families.map)}"
        headline(drawn, f"{families.set}: {what}")
        footnote(
            drawn,
            "Tree: average linkage. Recovered: mean of both directions. Rows: model of the probes.",
            "Outlined: native. A colour is a family.",
        )


def _tree(
    axis: Axes, linkage: NDArray[np.float64], order: NDArray[np.int32], colors: list[str]
) -> None:
    """Draw a dendrogram whose leaf i is at height i; what joins families is grey."""
    count = len(order)
    heights = dict(zip(order.tolist(), range(count), strict=True))
    places = {leaf: (0.0, float(row), colors[leaf]) for leaf, row in heights.items()}
    for step, (first, second, distance, _) in enumerate(linkage.tolist()):
        (x0, y0, one), (x1, y1, other) = places[int(first)], places[int(second)]
        color = one if one == other else QUIET
        axis.plot([x0, distance, distance, x1], [y0, y0, y1, y1], color=color, lw=1.6)
        places[count + step] = (distance, (y0 + y1) / 2, color)
    axis.grid(False, axis="y")
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    low, high = min(0.0, linkage[:, 2].min()), linkage[:, 2].max()
    axis.set_xlim(low + 1.06 * ((high - low) or 1.0), low)  # the leaves are at the matrix
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.tick_params(axis="x", labelsize=8)
    axis.set_xlabel("1 − mean recovered", fontsize=8)
