from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from reporting.pages import check_page, words_on

from facegeom_lit.geometry.shape.spectra import Spectrum
from facegeom_lit.reporting.shape_figures import persistence_figure, spectrum_figure

MODELS = [f"a_model_of_a_long_name_{index}" for index in range(9)]
COMPONENTS = np.array([[0.0, 0.4], [0.0, 0.7], [0.0, np.inf]])
LOOPS = torch.tensor([[0.5, 0.8]])


@pytest.mark.parametrize("models", [1, 2, 5])
def test_diagrams(tmp_path: Path, pages: list[Figure], models: int) -> None:
    diagrams = {model: [COMPONENTS, LOOPS] for model in MODELS[:models]}
    persistence_figure(tmp_path / "p.png", diagrams, title="Persistence")
    check_page(tmp_path / "p.png", pages[0])
    axis = pages[0].axes[0]
    deaths = next(line.get_ydata() for line in axis.lines if line.get_label() == "$H_{0}$: 3")
    low, high = axis.get_ylim()
    assert np.isfinite(deaths).all()
    assert low < 0 < 0.8 < max(deaths) < high  # type: ignore[arg-type]
    assert "Dotted: classes that never die." in words_on(pages[0])


def test_an_empty_diagram_is_said(tmp_path: Path, pages: list[Figure]) -> None:
    persistence_figure(tmp_path / "p.png", {"m": [np.zeros((0, 2))]})
    assert "no class" in words_on(pages[0])


@pytest.mark.parametrize("models", [1, 9])
def test_spectra(tmp_path: Path, pages: list[Figure], models: int) -> None:
    values = torch.tensor([4.0, 2.0, 1.0, 1e-20])
    spectra = {model: Spectrum(values, 9) for model in MODELS[:models]}
    spectra["all one point"] = Spectrum(torch.zeros(4), 9)
    spectrum_figure(tmp_path / "s.png", spectra, title="Spectra")
    check_page(tmp_path / "s.png", pages[0])
    each, summed = pages[0].axes
    curve = each.lines[0].get_ydata()
    assert curve == pytest.approx(np.array([4, 2, 1]) / 7)  # type: ignore[comparison-overlap]
    mark = next(line for line in summed.lines if line.get_marker() == "v")
    assert mark.get_xdata()[0] == pytest.approx(49 / 21)  # type: ignore[index]
    assert "all one point (–)" in words_on(pages[0])
