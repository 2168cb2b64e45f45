from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from reporting.pages import check_page, words_on
from reporting.study_records import record, save

from facegeom_lit.reporting.study import Study, make_study
from facegeom_lit.reporting.study_compatibility import (
    Standing,
    families,
    frontier,
    service_figures,
    standings,
)
from facegeom_lit.reporting.study_report import write_study
from facegeom_lit.reporting.study_runs import read_runs
from facegeom_lit.reporting.sweep_matrix import Cell
from facegeom_lit.reporting.trade_off_figure import trade_off_figure

SERVED = ("none/to", "ridge/to", "ridge/from", "native/to")


def run(words: tuple[str, ...], seed: int, energy: float, served: float) -> dict[str, Any]:
    """A run's record whose old gallery serves that much better than before."""
    found = record("age", seed, words, energy=energy)
    entry = {"difference": served, "low": served - 0.02, "high": served + 0.01}
    for service in SERVED:
        for figure in ("rank1", "auc", "tar@1e-2", "tar@1e-3"):
            found["differences"][f"val/align/original/{service}/{figure}"] = entry
    found["differences"]["val/align/original/cka"] = entry
    found["differences"]["val/align/other/none/to/rank1"] = entry
    return found


def study(root: Path) -> Study:
    for seed in (0, 1):
        save(
            root, run(("objective=compatible", "objective.weight=0"), seed, 0.4, -0.3 - 0.1 * seed)
        )
        for kind, energy in (("identity", 0.1), ("affine", 0.2)):
            for weight in (1, 10):
                chosen = (f"objective.kind={kind}", f"objective.weight={weight}")
                words = ("objective=compatible", *chosen)
                save(root, run(words, seed, energy / weight, -0.1 / weight))
    return make_study(read_runs([root]))


def standing(arm: str, goal: float, service: float) -> Standing:
    return Standing(arm, Cell(goal, None, None, 0), Cell(service, None, None, 0))


def test_the_frontier_is_what_nobody_beats() -> None:
    found = [
        standing("far", 0.5, -0.4),
        standing("beaten", 0.2, -0.3),
        standing("middle", 0.3, -0.2),
        standing("still", 0.0, 0.0),
        standing("backwards", -0.1, 0.0),
    ]
    assert [one.arm for one in frontier(found)] == ["still", "middle", "far"]
    down = [standing(one.arm, -(one.goal.value or 0), one.service.value or 0) for one in found]
    assert [one.arm for one in frontier(down)] == ["still", "middle", "far"]
    assert frontier([]) == []


def test_arms_of_one_kind_are_a_curve_by_weight() -> None:
    arms = [f"c, {chosen}, p=1" for chosen in ("kind=a, weight=10", "weight=0", "kind=b, weight=3")]
    arms.append("c, kind=a, weight=0.3, p=1")
    curves = families([standing(arm, 0, 0) for arm in arms])
    assert [(f.name, f.weights) for f in curves] == [
        ("kind=a", ("0", "0.3", "10")),
        ("kind=b", ("0", "3")),
    ]
    (alone,) = families([standing("c, weight=0", 0, 0)])
    assert (alone.name, alone.weights) == ("", ("0",))
    assert [f.name for f in families([standing("none", 0, 0), standing("energy", 0, 0)])] == [
        "none",
        "energy",
    ]


def test_what_is_left_of_the_old_gallery(tmp_path: Path) -> None:
    made = study(tmp_path)
    assert service_figures(made.compatibility) == ["rank1", "tar@1e-3"]
    found = standings(made.changes, made.compatibility, "energy", "none/to/rank1")
    place = {one.arm: one for one in found}["compatible, weight=0"]
    assert len(found) == 5
    assert place.goal.value == pytest.approx(0.4)
    assert place.service.value == pytest.approx(-0.35)
    assert place.service.low == pytest.approx(-0.4)  # widened to the range of the seeds
    assert place.service.high == pytest.approx(-0.3)
    assert not any("cka" in change.measure for change in made.compatibility)


def test_the_report_holds_the_trade_off(tmp_path: Path, pages: list[Figure]) -> None:
    for weight in (0, 1):
        words = ("objective=compatible", f"objective.weight={weight}")
        save(tmp_path / "runs", run(words, 0, 0.2, 0.1 * weight))
    write_study(tmp_path / "report", make_study(read_runs([tmp_path / "runs"])))
    assert (tmp_path / "report" / "figures" / "trade-off-energy.png").is_file()
    text = (tmp_path / "report" / "report.md").read_text()
    assert "## Compatibility with the old gallery" in text
    assert "![energy](figures/trade-off-energy.png)" in text
    with (tmp_path / "report" / "tables" / "compatibility.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4 * 4
    assert {row["seeds"] for row in rows} == {"1"}


def test_the_picture(tmp_path: Path, pages: list[Figure]) -> None:
    made = study(tmp_path)
    panels = {
        (figure, service): standings(
            made.changes, made.compatibility, "energy", f"{service}/{figure}"
        )
        for figure in ("rank1", "tar@1e-3")
        for service in SERVED[:2]
    }
    trade_off_figure(tmp_path / "t.png", panels, goal="energy", intervals="over people")
    check_page(tmp_path / "t.png", pages[0])
    said = words_on(pages[0])
    assert {"kind=affine", "kind=identity", "change of rank-1"} <= set(said)
    assert len(pages[0].axes) == 4
