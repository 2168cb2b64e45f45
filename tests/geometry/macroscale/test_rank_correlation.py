from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.rank_correlation import rank_correlation


def test_equals_scipys_with_ties_and_its_bootstrap() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randint(8, (40,), generator=g).double()
    y = x + 3 * torch.randn(40, generator=g).double()
    found = rank_correlation(x, y, resamples=200, seed=3)
    expected = stats.spearmanr(x, y)
    assert found is not None
    assert found.rho == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    drawn = torch.randint(40, (200, 40), generator=torch.Generator().manual_seed(3))
    samples = torch.tensor([stats.spearmanr(x[d], y[d]).statistic for d in drawn])
    assert found.low == pytest.approx(float(samples.quantile(0.025)), abs=1e-9)
    assert found.high == pytest.approx(float(samples.quantile(0.975)), abs=1e-9)


def test_undefined_figures_are_left_out() -> None:
    x = torch.tensor([1.0, 2.0, float("nan"), 3.0, 9.0])
    y = torch.tensor([1.0, 2.0, 0.0, 3.0, float("nan")])
    found = rank_correlation(x, y)
    assert found is not None
    assert (found.rho, found.count, found.low) == (1.0, 3, None)
    assert rank_correlation(x[:2], y[:2]) is None
    assert rank_correlation(torch.ones(9), torch.arange(9.0)) is None
    with pytest.raises(FaceGeomError, match="same attributes"):
        rank_correlation(x, y[1:])


@pytest.mark.parametrize("count", [3, 5, 7])
def test_p_of_few_attributes_counts_all_orders(count) -> None:
    x = torch.arange(count).double()
    found = rank_correlation(x, x, resamples=0)
    assert found is not None
    assert found.p == pytest.approx(2 / math.factorial(count))  # this order and its reverse
    y = torch.tensor([1.0, 1.0, 0.0, 2.0, 3.0, 2.0, 5.0])[:count]
    exact = stats.permutation_test(
        (y.double().numpy(),),
        lambda z: abs(stats.spearmanr(x.numpy(), z).statistic),
        permutation_type="pairings",
        vectorized=False,
        alternative="greater",
    )
    found = rank_correlation(x, y, resamples=0)
    assert found is not None
    assert found.p == pytest.approx(float(exact.pvalue))
