from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.kolmogorov import ks_p_value, ks_statistic

VALUES = st.lists(st.floats(-5, 5).map(lambda value: round(value, 1)), min_size=2, max_size=40)


@settings(deadline=None, max_examples=60)
@given(VALUES, VALUES)
def test_statistic_is_scipys_with_ties_and_without(first: list[float], second: list[float]) -> None:
    expected = stats.ks_2samp(first, second, method="asymp").statistic
    one, other = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    assert ks_statistic(one, other) == pytest.approx(expected, abs=1e-12)
    assert ks_statistic(other, one) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.003, 0.3])
@pytest.mark.parametrize("tail", [False, True])
def test_large_samples_agree_to_the_last_value(shift: float, tail: bool) -> None:
    g = torch.Generator().manual_seed(1)
    first = torch.randn(20_000, dtype=torch.float64, generator=g)
    second = torch.randn(41_000, dtype=torch.float64, generator=g) + shift
    if tail:  # one far value leaves nearly all the others in a few cells
        second[0] = 1e5
    expected = stats.ks_2samp(first.numpy(), second.numpy(), method="asymp")
    found = ks_statistic(first, second)
    assert found == pytest.approx(expected.statistic, abs=1e-12)
    assert ks_p_value(found, 20_000, 41_000) == pytest.approx(expected.pvalue, abs=1e-7)


@pytest.mark.parametrize("sizes", [(15, 36), (190, 400), (2500, 3000), (44_551, 89_401)])
def test_p_is_scipys_asymptotic_one(sizes: tuple[int, int]) -> None:
    effective = round(sizes[0] * sizes[1] / sum(sizes))
    for z in (0.4, 0.9, 1.4, 1.6, 2.5, 5.0):
        expected = stats.kstwo.sf(z / effective**0.5, effective)
        found = ks_p_value(z / effective**0.5, *sizes)
        assert found == pytest.approx(expected, abs=1e-7, rel=2e-2)
    assert ks_p_value(0.9, *sizes) < 1e-8
    assert ks_p_value(0.0, *sizes) == 1.0


def test_equal_constants_do_not_differ_and_nothing_is_an_error() -> None:
    assert ks_statistic(torch.ones(3), torch.ones(5)) == 0.0
    assert ks_statistic(torch.zeros(3), torch.ones(5)) == 1.0
    with pytest.raises(FaceGeomError, match="at least one value"):
        ks_statistic(torch.ones(3), torch.ones(0))


def test_p_is_uniform_for_independent_values() -> None:
    draw = np.random.default_rng(0)
    found = []
    for _ in range(300):
        first, second = torch.from_numpy(draw.normal(size=(2, 400)))
        found.append(ks_p_value(ks_statistic(first, second), 400, 400))
    assert stats.kstest(found, "uniform").pvalue > 0.01
