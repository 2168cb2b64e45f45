from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from reporting.pages import check_page, words_on

from facegeom_lit.reporting.objective_figure import ObjectiveRun, objective_figure, over_attributes


def runs(objectives: int, attributes: int, seeds: int = 3) -> list[ObjectiveRun]:
    return [
        ObjectiveRun(
            f"objective_{o}, weight={o}",
            f"attribute_{a}",
            s,
            0.1 * o + 0.01 * a + 0.001 * s,
            0.01 * o,
        )
        for o in range(objectives)
        for a in range(attributes)
        for s in range(seeds)
    ]


@pytest.mark.parametrize(("objectives", "attributes"), [(1, 1), (3, 8), (9, 8)])
def test_objectives(tmp_path: Path, pages: list[Figure], objectives: int, attributes: int) -> None:
    path = tmp_path / "o.png"
    objective_figure(path, runs(objectives, attributes), title="Objectives", verification="TAR")
    check_page(path, pages[0])
    scatter, bars = pages[0].axes
    legend = scatter.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == objectives
    assert len(bars.patches) == objectives * attributes
    assert scatter.get_xlabel() == "change of TAR"


def test_seeds_of_an_attribute_are_averaged_first() -> None:
    rows = [ObjectiveRun("a", f"attribute_{i}", 0, float(i), 0.0) for i in range(6)]
    rows += [ObjectiveRun("a", "attribute_0", seed, 6.0, None) for seed in (1, 2)]
    found = over_attributes(rows, "geometry")
    assert found.value == pytest.approx((4 + 1 + 2 + 3 + 4 + 5) / 6)
    assert found.count == 6
    assert found.low is not None
    assert over_attributes(rows, "verification").value == 0
    assert over_attributes(rows[:2], "geometry").low is None


def test_a_run_without_a_value_is_said(tmp_path: Path, pages: list[Figure]) -> None:
    rows = [*runs(1, 2), ObjectiveRun("other", "attribute_0", 0, None, 0.1)]
    objective_figure(tmp_path / "o.png", rows)
    check_page(tmp_path / "o.png", pages[0])
    assert any("1 of 7 runs" in text for text in words_on(pages[0]))
    assert [text.get_text() for text in pages[0].axes[1].texts] == ["–", "–"]
    assert any("–: no seed has a value" in text for text in words_on(pages[0]))
    assert any("Without bars: fewer than 6 attributes" in text for text in words_on(pages[0]))
    objective_figure(tmp_path / "none.png", rows[-1:])
    check_page(tmp_path / "none.png", pages[1])
