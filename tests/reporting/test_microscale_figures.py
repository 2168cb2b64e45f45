from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from matplotlib.figure import Figure
from reporting.pages import check_page, words_on
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.correlation import correlation_length, pooled_correlation
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.reporting.correlation_figure import correlation_figure, pooled_band, short
from facegeom_lit.reporting.interaction_figure import Interaction, interaction_figure
from facegeom_lit.reporting.response_figure import Point, response_figure

MODELS = [f"a_model_of_a_long_name_{index}" for index in range(9)]
ATTRIBUTES = ["pose", "hair_color", "illumination_of_the_left_side", "hue"]
NONE = Interval(None, None, None, 0)


def points(count: int) -> dict[str, Point]:
    return {
        f"attribute_{index}": (
            Interval(0.3 + 0.01 * index, 0.25 + 0.01 * index, 0.35 + 0.01 * index, 9),
            Interval(0.1 + 0.37 * index % 1, 0.05 + 0.37 * index % 1, None, 9),
        )
        for index in range(count)
    }


@pytest.mark.parametrize(("models", "count"), [(1, 1), (2, 8), (5, 4), (1, 40)])
def test_points_are_named_and_corners_say_what_they_mean(
    tmp_path: Path, pages: list[Figure], models: int, count: int
) -> None:
    path = tmp_path / "r.png"
    response_figure(path, {model: points(count) for model in MODELS[:models]}, title="Responses")
    check_page(path, pages[0])
    written = words_on(pages[0])
    assert written.count("attribute 0") == models
    for word in ("invariance", "chaos", "coherent", "faint"):
        assert sum(word in text for text in written) == models
    axis = pages[0].axes[0]
    assert axis.get_xlim()[0] == axis.get_ylim()[0] == 0
    assert axis.get_xlim()[1] >= 1
    assert axis.get_ylim()[1] >= 1


def test_an_attribute_without_a_response_is_said(tmp_path: Path, pages: list[Figure]) -> None:
    found = points(3) | {"hair_color": (Interval(0.5, None, None, 1), NONE)}
    response_figure(tmp_path / "r.png", {"m": found, "n": {"hair_color": (NONE, NONE)}})
    check_page(tmp_path / "r.png", pages[0])
    assert any("want of a value in some model: hair color." in t for t in words_on(pages[0]))
    assert "hair color" not in words_on(pages[0])


def interaction(size: int) -> Interaction:
    mean = torch.linspace(0.6, 1.4, size * size, dtype=torch.float64).view(size, size)
    mean = (mean + mean.T) / 2
    return Interaction(mean, mean - 0.05, mean + 0.05)


@pytest.mark.parametrize(("models", "size"), [(1, 2), (1, 8), (2, 8), (5, 8), (1, 40)])
def test_matrices(tmp_path: Path, pages: list[Figure], models: int, size: int) -> None:
    names = [f"attribute_{index}" for index in range(size)]
    path = tmp_path / "i.png"
    interaction_figure(path, names, {m: interaction(size) for m in MODELS[:models]}, title="Both")
    check_page(path, pages[0])
    numbers = [text for axis in pages[0].axes for text in axis.texts]
    assert len(numbers) == (models * size * (size - 1) // 2 if size <= 12 else 0)


def test_numbers_of_a_matrix(tmp_path: Path, pages: list[Figure]) -> None:
    mean = torch.ones(3, 3)
    mean[1, 0], mean[2, 0], mean[2, 1] = 0.8, 1.02, torch.nan
    interaction_figure(
        tmp_path / "i.png", ["a", "b", "c"], {"m": Interaction(mean, mean - 0.1, mean + 0.1)}
    )
    check_page(tmp_path / "i.png", pages[0])
    texts = {text.get_text(): text.get_fontweight() for text in pages[0].axes[0].texts}
    assert texts == {"0.80": "bold", "1.02": "normal", "–": "normal"}
    assert any("no node has both" in text for text in words_on(pages[0]))


def test_one_attribute_interacts_with_none(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="two attributes"):
        interaction_figure(tmp_path / "i.png", ["a"], {"m": interaction(1)})
    assert list(tmp_path.iterdir()) == []


@dataclass
class Curves:
    correlation: Tensor
    correlation_pairs: Tensor


def curves(people: int = 8, bins: int = 10) -> Curves:
    distance = torch.linspace(0.1, 1.9, bins)
    found = torch.exp(-2 * distance).expand(people, bins).clone()
    pairs = torch.full((people, bins), 1000)
    found[:, 0], pairs[:, 0] = torch.nan, 0
    return Curves(found, pairs)


@pytest.mark.parametrize(("models", "count"), [(1, 1), (2, 2), (9, 3)])
def test_correlations(tmp_path: Path, pages: list[Figure], models: int, count: int) -> None:
    names = [f"attribute_{index}" for index in range(count)]
    path = tmp_path / "c.png"
    found = {model: {name: curves() for name in names} for model in MODELS[:models]}
    correlation_figure(path, found, 2.0, title="Correlations")
    check_page(path, pages[0])
    assert [a.get_title() for a in pages[0].axes if a.get_title()] == [
        f"attribute {i}" for i in range(count)
    ]


def test_the_length_is_marked(tmp_path: Path, pages: list[Figure]) -> None:
    found = curves()
    correlation_figure(tmp_path / "c.png", {"m": {"pose": found}, "n": {}}, 2.0)
    check_page(tmp_path / "c.png", pages[0])
    (mark,) = [line for line in pages[0].axes[0].lines if line.get_marker() == "v"]
    pooled = pooled_correlation(found.correlation, found.correlation_pairs)
    assert mark.get_xdata()[0] == correlation_length(pooled, 2.0)  # type: ignore[index]


def test_the_band_is_the_bootstrap_of_the_pooled_mean() -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    pairs = torch.randint(1, 50, (30, 3), generator=generator)
    values[5:, 2], pairs[5:, 2] = torch.nan, 0  # five identities are too few
    low, high = pooled_band(values, pairs, resamples=4000)
    drawn = torch.randint(30, (4000, 30), generator=generator)
    sums = (values.nan_to_num() * pairs)[drawn].sum(1)
    pooled = (sums / pairs[drawn].sum(1))[:, :2]
    assert torch.allclose(low[:2], pooled.quantile(0.025, dim=0), atol=0.03)
    assert torch.allclose(high[:2], pooled.quantile(0.975, dim=0), atol=0.03)
    assert low[2].isnan()
    assert high[2].isnan()
    assert all(end.isnan().all() for end in pooled_band(values[:3], pairs[:3]))


def test_counts_are_short() -> None:
    assert [short(count) for count in (0, 999, 1500, 2e6)] == ["0", "999", "1.5k", "2M"]
