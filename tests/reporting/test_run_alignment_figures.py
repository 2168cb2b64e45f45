from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facegeom_lit.evaluation.alignment.result import Ladder
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.run_alignment_figures import alignment_figure, curves_figure
from facegeom_lit.reporting.tables import compatibility

PAIRS = (("tuned", "original"), ("original", "tuned"))


def looks(path: Path) -> tuple[int, int, int]:
    """Width, height, and how many pixels are not white."""
    pixels = np.asarray(Image.open(path).convert("RGB"))
    return pixels.shape[1], pixels.shape[0], int((pixels < 250).any(2).sum())


def test_the_heat_map_has_a_panel_for_each_measurement(tmp_path: Path) -> None:
    rows = {pair: {"native": 1.0, "none": 0.1, "ridge": None} for pair in PAIRS}
    alignment_figure(tmp_path / "one.png", {"after": rows})
    alignment_figure(tmp_path / "two.png", {"before": rows, "after": rows})
    one, two = looks(tmp_path / "one.png"), looks(tmp_path / "two.png")
    assert two[0] > one[0] + 100
    assert two[1] == one[1]
    assert two[2] > one[2]


@pytest.mark.parametrize("kind", ["rank", "anchors"])
def test_curves_are_drawn_for_each_direction(kind: str, tmp_path: Path) -> None:
    figures = tuple(Interval(value, None, None, 4) for value in (0.2, 0.5, 0.9))
    ladders = [
        Ladder(source, target, "judge", of, "ridge", (1, 2, 4), figures, 1.0, 0.1)
        for source, target in PAIRS
        for of in ("rank", "anchors")
    ]
    curves_figure(tmp_path / "c.png", {"before": ladders, "after": ladders[::-1]}, kind)
    assert looks(tmp_path / "c.png")[2] > 5000


def test_backward_compatibility_is_one_line() -> None:
    metrics: dict[str, float | None] = {
        f"val/align/original/{name}/rank1": value
        for name, value in (
            ("native/to", 0.9),
            ("none/to", 0.5),
            ("procrustes/to", 0.85),
            ("ridge/to", 0.8),
            ("native/from", 0.95),
        )
    }
    assert compatibility(metrics) == (
        "backward compatibility, rank-1 of new probes: old gallery 0.500 unmapped, 0.800 mapped "
        "(ridge); re-enrolled 0.950; the old model had 0.900"
    )
    assert compatibility({"val/align/other/none/to/rank1": 0.5}) == ""
