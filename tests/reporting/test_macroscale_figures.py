from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from reporting.pages import check_page, words_on

from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.entropy_figure import (
    MOST_NAMES,
    NAMED,
    EntropyScatter,
    entropy_figure,
    outlyingness,
    rho_text,
)
from facegeom_lit.reporting.macroscale_figure import macroscale_figure
from facegeom_lit.reporting.spearman_figure import spearman_figure

MODELS = [f"a_model_of_a_long_name_{index}" for index in range(9)]
NONE = Interval(None, None, None, 0)
RHO = Interval(-0.654, -0.75, -0.5, 40)


def scatter(count: int) -> EntropyScatter:
    generator = np.random.default_rng(0)
    names = [f"Attribute_{index}" for index in range(count)]
    entropy = generator.uniform(0, 0.69, count)
    ks = 0.3 - 0.3 * entropy + generator.normal(0, 0.02, count)
    return EntropyScatter(
        dict(zip(names, ks.tolist(), strict=True)),
        dict(zip(names, entropy.tolist(), strict=True)),
        RHO,
    )


@pytest.mark.parametrize(("models", "count"), [(1, 40), (2, 5), (9, 40), (1, 1)])
def test_scatter(tmp_path: Path, pages: list[Figure], models: int, count: int) -> None:
    path = tmp_path / "e.png"
    entropy_figure(
        path,
        {model: scatter(count) for model in MODELS[:models]},
        title="KS against entropy",
        published="Published: −0.65.",
    )
    check_page(path, pages[0])
    named = [text for text in words_on(pages[0]) if text.startswith("Attribute ")]
    assert len(named) == models * (count if count <= MOST_NAMES else NAMED)
    said = any("Named: the 8 attributes furthest" in text for text in words_on(pages[0]))
    assert said == (count > MOST_NAMES)
    assert any("Published: −0.65." in text for text in words_on(pages[0]))
    assert sum("ρ = −0.65 [−0.75, −0.50]" in text for text in words_on(pages[0])) == models


def test_an_attribute_that_lacks_one_is_said(tmp_path: Path, pages: list[Figure]) -> None:
    nothing = EntropyScatter({"bald": None}, {"bald": 0.2}, NONE)
    entropy_figure(tmp_path / "e.png", {"m": nothing, "n": scatter(4)})
    check_page(tmp_path / "e.png", pages[0])
    assert "no attribute has both" in words_on(pages[0])
    assert any("some model: bald." in text for text in words_on(pages[0]))
    assert rho_text(NONE) == "Spearman ρ undefined"
    assert rho_text(Interval(0.5, None, None, 4)) == "Spearman ρ = 0.50"


def test_the_point_off_the_line_is_the_outlier() -> None:
    x = np.linspace(0, 1, 21)
    points = np.stack([x, 2 * x], axis=1)
    points[10, 1] += 3
    assert outlyingness(points).argmax() == 10
    assert np.isfinite(outlyingness(np.ones((3, 2)))).all()


def values(models: int, count: int) -> dict[str, dict[str, float | None]]:
    return {
        model: {f"attribute_{row}": (7 * row % count) / count for row in range(count)}
        for model in MODELS[:models]
    }


@pytest.mark.parametrize(("models", "count"), [(1, 1), (1, 40), (9, 40)])
def test_heat_maps(tmp_path: Path, pages: list[Figure], models: int, count: int) -> None:
    path = tmp_path / "m.png"
    found = values(models, count)
    macroscale_figure(path, {"mean KS": found, "probe: balanced accuracy": found}, title="All")
    check_page(path, pages[0])
    rows = [label.get_text() for label in pages[0].axes[0].get_yticklabels()]
    first = found[MODELS[0]]
    assert [first[name.replace(" ", "_")] for name in rows] == sorted(first.values(), reverse=True)  # type: ignore[type-var]


def test_an_undefined_value_is_a_dash_and_stands_last(tmp_path: Path, pages: list[Figure]) -> None:
    found: dict[str, dict[str, float | None]] = {"m": {"none": None, "low": 0.1, "high": 0.9}}
    empty: dict[str, dict[str, float | None]] = {"m": {"high": None}}
    macroscale_figure(tmp_path / "m.png", {"mean KS": found, "probe": empty})
    check_page(tmp_path / "m.png", pages[0])
    axis = pages[0].axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["high", "low", "none"]
    assert [text.get_text() for text in axis.texts] == ["0.90", "0.10", "–"]
    assert "–: undefined, the table says why." in words_on(pages[0])


@pytest.mark.parametrize("models", [1, 9])
def test_correlations_beside_published_ones(
    tmp_path: Path, pages: list[Figure], models: int
) -> None:
    rhos = {"mean KS and intra-entropy": dict.fromkeys(MODELS[:models], RHO), "other": {}}
    published = {"mean KS and intra-entropy": {"FaceNet": -0.65}}
    spearman_figure(tmp_path / "s.png", rhos, published, title="Correlations", level=0.9)
    check_page(tmp_path / "s.png", pages[0])
    assert any("90 % intervals" in text for text in words_on(pages[0]))
    axis, other = pages[0].axes
    (mark,) = [line for line in axis.lines if line.get_marker() == "D"]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (-0.65, models)  # type: ignore[index]
    assert [text.get_text() for text in other.texts] == ["–"] * models
