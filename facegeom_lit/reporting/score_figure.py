"""Histograms of genuine and impostor scores, one panel a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facegeom_lit.evaluation.result import Curve
from facegeom_lit.reporting.style import ACCENT, AFTER, figure

_COLUMNS = 3


def score_figure(path: str | Path, curves: Mapping[str, Curve], title: str) -> None:
    """Draw how scores are distributed.

    Args:
        path: PNG to write.
        curves: Name of the model → its curve, which holds the histograms.
        title: Name of the set.
    """
    columns = min(_COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    with figure(path, 3.2 * columns + 0.6, 2.1 * rows + 0.6) as drawn:
        axes = np.atleast_1d(drawn.subplots(rows, columns, squeeze=False)).ravel()
        for axis in axes[len(curves) :]:
            axis.set_visible(False)
        for axis, (name, curve) in zip(axes, curves.items(), strict=False):
            for share, color, kind in (
                (curve.impostor, AFTER, "impostor"),
                (curve.genuine, ACCENT, "genuine"),
            ):
                axis.stairs(share, curve.bounds, fill=True, alpha=0.45, color=color, label=kind)
            axis.set_title(name, fontsize=8)
            axis.tick_params(labelsize=7)
            axis.set_yticks([])
        axes[0].legend(fontsize=7)
        drawn.suptitle(title, fontsize=10)
        drawn.supxlabel("score", fontsize=9)
        drawn.supylabel("share of pairs", fontsize=9)
