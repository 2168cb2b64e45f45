from __future__ import annotations

from pathlib import Path

import pytest

from facegeom_lit.reporting.run_record import read_run, versions, write_run
from facegeom_lit.reporting.tables import difference, number
from facegeom_lit.reporting.training_figure import read_metrics, training_figure
from facegeom_lit.reporting.wandb_media import attribute_rows


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (None, "–"),
        ({"difference": None, "low": None, "high": None}, "–"),
        ({"difference": 0.5, "low": None, "high": None}, "+0.500"),
        ({"difference": 0.5, "low": 0.1, "high": 0.9}, "+0.500 [+0.100, +0.900] *"),
        ({"difference": -0.5, "low": -0.9, "high": 0.1}, "-0.500 [-0.900, +0.100]  "),
    ],
)
def test_difference_is_starred_only_away_from_zero(entry: object, text: str) -> None:
    assert difference(entry) == text  # type: ignore[arg-type]


def test_an_absent_figure_is_a_dash() -> None:
    assert number(None) == "–"
    assert number(0.12345) == "0.123"


def test_only_a_complete_record_is_a_run(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    (tmp_path / "run.json").write_text('{"status": "begun"}')
    assert read_run(tmp_path) is None
    write_run(tmp_path, {"versions": versions()})
    record = read_run(tmp_path)
    assert record is not None
    assert record["versions"]["torch"] != "absent"


def test_nan_never_reaches_a_record(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_run(tmp_path, {"metrics": {"val/energy/age": float("nan")}})
    assert not list(tmp_path.iterdir())


def test_tables_of_every_session_are_joined_and_the_later_one_counts(tmp_path: Path) -> None:
    for session, rows in ((0, "0,1.0\n1,2.0"), (1, "1,3.0\n2,4.0")):
        folder = tmp_path / f"session_{session}"
        folder.mkdir()
        (folder / "metrics.csv").write_text(f"step,train/loss_identity\n{rows}\n")
    series = read_metrics(tmp_path)
    assert series == {"train/loss_identity": [(0, 1.0), (1, 3.0), (2, 4.0)]}
    training_figure(tmp_path / "t.png", series, "age", "verification")
    assert (tmp_path / "t.png").stat().st_size > 5000


def test_attribute_rows_hold_before_after_and_interval() -> None:
    name = "val/energy/age"
    record = {
        "metrics": {name: 0.9, "val/verify/set/auc": 1.0},
        "baseline": {name: 0.8},
        "differences": {name: {"difference": 0.1, "low": 0.05, "high": 0.2}},
    }
    assert attribute_rows(record) == [["age", "energy", 0.8, 0.9, 0.1, 0.05, 0.2]]
