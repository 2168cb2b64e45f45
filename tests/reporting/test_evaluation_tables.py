from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facegeom_lit.evaluation.result import Curve, Result, plain
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.det_figure import det_figure
from facegeom_lit.reporting.evaluation_tables import (
    measures,
    print_results,
    write_markdown,
    write_results,
)
from facegeom_lit.reporting.roc_bands_figure import roc_bands_figure
from facegeom_lit.reporting.score_figure import score_figure


def curve(quality: float = 0.9) -> Curve:
    fars = np.geomspace(1e-4, 0.999, 30)
    tars = quality * fars**0.05
    bins = np.full(10, 0.1)
    return Curve(fars, tars, tars - 0.02, tars + 0.02, np.linspace(-1, 1, 11), bins, bins[::-1])


def result(model: str, data: str, **figures: Interval) -> Result:
    named = {key.replace("_at_", "@"): value for key, value in figures.items()}
    return Result("faces", named, {}, {}, curve(), ("a remark",), model, data)


RESULTS = [
    result("a", "lfw", **{"tar@1e-2": plain(0.9), "tar@1e-1": Interval(0.95, 0.94, 0.961, 9)}),
    result("a", "yale", rank10=plain(1.0), rank1=plain(0.5), auc=plain(None)),
    result("b", "lfw", accuracy=plain(0.995), accuracy_std=plain(0.003), auc=plain(0.99)),
]


def test_one_table_in_three_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["accuracy", "auc", "tar@1e-1", "tar@1e-2", "rank1", "rank10"]
    assert measures(RESULTS) == columns
    write_markdown(tmp_path / "a.md", RESULTS, 0.95)
    lines = (tmp_path / "a.md").read_text().splitlines()
    assert lines[2] == "| lfw | a |  |  | 0.9500 [0.9400, 0.9610] | 0.9000 |  |  |"
    assert lines[3] == "| lfw | b | 0.9950 ± 0.0030 | 0.9900 |  |  |  |  |"
    assert lines[4] == "| yale | a |  | – |  |  | 0.5000 | 1.0000 |"
    assert "- lfw: a remark" in lines
    write_results(tmp_path / "a.csv", RESULTS)
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert len(rows) == 8
    assert rows[1] == {
        "set": "lfw",
        "model": "a",
        "kind": "faces",
        "measure": "tar@1e-1",
        "value": "0.95",
        "low": "0.94",
        "high": "0.961",
        "threshold": "",
    }
    print_results(RESULTS, [("c", "lfw", "why")])
    out = capsys.readouterr().out
    assert "TAR@1e-1" in out
    assert "failed" in out
    assert out.count("note: lfw: a remark") == 1


@pytest.mark.parametrize("models", [1, 9])
def test_figures(tmp_path: Path, models: int) -> None:
    curves = {f"model {i}": curve(0.9 - 0.02 * i) for i in range(models)}
    for draw in (roc_bands_figure, det_figure, score_figure):
        draw(tmp_path / "figure.png", curves, "lfw")
        pixels = np.asarray(Image.open(tmp_path / "figure.png").convert("L"))
        assert pixels.shape[1] > 300
        assert pixels.std() > 5
