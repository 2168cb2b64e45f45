from __future__ import annotations

from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from reporting.pages import check_page, words_on
from torch import Tensor

from facegeom_lit.reporting.energy_figures import violin_figure
from facegeom_lit.reporting.energy_violins import energy_violins, p_of
from facegeom_lit.reporting.significance_figure import significance_figure

MODELS = [f"a_model_of_a_long_name_{index}" for index in range(9)]
ATTRIBUTES = ["pose", "hair_color", "illumination_of_the_left_side", "hue"]
Energies = dict[str, dict[str, Tensor]]


def energies(models: list[str], attributes: list[str], people: int = 12) -> Energies:
    generator = torch.Generator().manual_seed(0)
    return {
        model: {
            name: 0.3 + 0.1 * row + 0.04 * torch.randn(people, generator=generator)
            for row, name in enumerate(attributes)
        }
        for model in models
    }


@pytest.mark.parametrize(
    ("models", "attributes"),
    [
        (1, ATTRIBUTES),
        (1, ATTRIBUTES[:1]),
        (3, ATTRIBUTES),
        (9, ATTRIBUTES),
        (9, ATTRIBUTES[:1]),
        (1, [f"attribute_number_{index}" for index in range(40)]),
    ],
)
def test_any_number_of_models_and_attributes_is_legible(
    tmp_path: Path, pages: list[Figure], models: int, attributes: list[str]
) -> None:
    path = tmp_path / "v.png"
    energy_violins(path, energies(MODELS[:models], attributes), title="Energies", target="hue")
    check_page(path, pages[0])


def test_stars_stand_over_the_pairs_that_differ(tmp_path: Path, pages: list[Figure]) -> None:
    a, b, c = MODELS[:3]
    marks = {("pose", b, a): 0.004, ("hue", a, c): 0.0004, ("hue", b, c): 0.2, ("pose", b, c): 0.03}
    energy_violins(tmp_path / "v.png", energies([a, b, c], ATTRIBUTES), marks)
    check_page(tmp_path / "v.png", pages[0])
    assert [text for text in words_on(pages[0]) if set(text) == {"*"}] == ["**", "*", "***"]
    (axis,) = pages[0].axes
    (star,) = [text for text in axis.texts if text.get_text() == "***"]
    assert star.get_position()[0] == pytest.approx(3)  # of the middle model's place of the fourth
    assert p_of(marks, "pose", a, b) == p_of(marks, "pose", b, a) == 0.004
    assert p_of(marks, "pose", a, c) is None


def test_panels_count_the_pairs_that_differ(tmp_path: Path, pages: list[Figure]) -> None:
    models = MODELS[:4]
    marks = {("pose", models[0], models[1]): 0.01, ("pose", models[0], models[2]): 0.3}
    energy_violins(tmp_path / "v.png", energies(models, ATTRIBUTES), marks, target="pose")
    titles = [axis.get_title() for axis in pages[0].axes]
    assert titles[:2] == ["pose\n1 of 2 pairs differ", "hair color"]
    assert pages[0].axes[0].title.get_fontweight() == "bold"


def test_what_is_absent_is_drawn_so_and_said(tmp_path: Path, pages: list[Figure]) -> None:
    found = energies(MODELS[:2], ATTRIBUTES)
    found[MODELS[0]]["pose"] = torch.full((12,), torch.nan)
    del found[MODELS[1]]["hue"]
    energy_violins(tmp_path / "v.png", found)
    check_page(tmp_path / "v.png", pages[0])
    assert words_on(pages[0]).count("–") == 2
    assert any("–: no identity has a value." in text for text in words_on(pages[0]))


def test_few_or_equal_values_have_dots_and_no_violin(tmp_path: Path, pages: list[Figure]) -> None:
    found = {"few": torch.tensor([0.4, 0.6, torch.nan]), "same": torch.full((9,), 0.7)}
    energy_violins(tmp_path / "v.png", {"m": found})
    check_page(tmp_path / "v.png", pages[0])
    (axis,) = pages[0].axes
    assert len(axis.collections) == 0
    dots = [y for line in axis.lines if line.get_marker() == "o" for y in line.get_ydata()]  # type: ignore[union-attr]
    assert dots == pytest.approx([0.4, 0.6, 0.5, 0.7])
    assert any("fewer than 6 have a value" in text for text in words_on(pages[0]))


def test_a_run_marks_what_changed(tmp_path: Path, pages: list[Figure]) -> None:
    before = {"pose": torch.linspace(0.2, 0.3, 20), "hue": torch.linspace(0.2, 0.3, 20)}
    after = {"pose": before["pose"] + 0.5, "hue": before["hue"]}
    violin_figure(tmp_path / "v.png", {"before": before, "after": after}, "pose")
    check_page(tmp_path / "v.png", pages[0])
    assert [text for text in words_on(pages[0]) if set(text) == {"*"}] == ["***"]
    violin_figure(tmp_path / "one.png", {"after": after}, None)
    check_page(tmp_path / "one.png", pages[1])
    violin_figure(tmp_path / "same.png", {"before": before, "after": before}, None)
    assert any("No two models differ" in text for text in words_on(pages[2]))
    assert not any(
        "No two models differ" in text for text in words_on(pages[0]) + words_on(pages[1])
    )


def test_every_pair_has_its_stars(tmp_path: Path, pages: list[Figure]) -> None:
    marks = {("pose", MODELS[0], MODELS[1]): 0.0001, ("pose", MODELS[2], MODELS[1]): 0.3}
    significance_figure(tmp_path / "s.png", MODELS, ["pose", "hue"], marks, title="Differences")
    check_page(tmp_path / "s.png", pages[0])
    pose, hue = pages[0].axes
    assert [text.get_text() for text in pose.texts].count("***") == 1
    assert [text.get_text() for text in pose.texts].count("–") == 36 - 2
    assert [text.get_text() for text in hue.texts] == ["–"] * 36
