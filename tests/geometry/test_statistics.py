from __future__ import annotations

import pytest
import torch
from scipy import stats

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.statistics import (
    Interval,
    bootstrap_interval,
    defined_mean,
    holm,
    mann_whitney,
    paired_interval,
    signed_rank,
    stars,
)

NAN = float("nan")


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    g = torch.Generator().manual_seed(0)
    covered = 0
    for trial in range(300):
        interval = bootstrap_interval(
            torch.randn(40, generator=g) + 3, resamples=400, level=0.9, seed=trial
        )
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 3 <= interval.high
    assert 0.83 < covered / 300 < 0.95


def test_it_agrees_with_scipy() -> None:
    values = torch.rand(60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = stats.bootstrap(
        (values.numpy(),), lambda x, axis: x.mean(axis=axis), method="percentile"
    ).confidence_interval
    measured = bootstrap_interval(values, resamples=9999)
    assert measured.low == pytest.approx(expected.low, abs=0.005)
    assert measured.high == pytest.approx(expected.high, abs=0.005)


def test_another_statistic() -> None:
    values = torch.arange(101.0)
    interval = bootstrap_interval(values, lambda x: x.median(dim=-1).values)
    assert interval.value == 50
    assert interval.low < 50 < interval.high


def test_undefined_values_are_left_out() -> None:
    assert bootstrap_interval(torch.tensor([NAN, NAN])) == Interval(None, None, None, 0)
    assert bootstrap_interval(torch.tensor([NAN, 2.0])) == Interval(2.0, None, None, 1)
    values = torch.rand(20)
    holed = torch.cat([values, torch.tensor([NAN])])
    assert bootstrap_interval(holed) == bootstrap_interval(values)


def test_pairing_removes_what_identities_share() -> None:
    g = torch.Generator().manual_seed(2)
    before = 10 * torch.randn(50, generator=g)
    after = before + 1 + 0.1 * torch.randn(50, generator=g)
    interval = paired_interval(after, before)
    assert interval.low == pytest.approx(1, abs=0.1)
    assert interval.high == pytest.approx(1, abs=0.1)
    before[0] = NAN
    assert paired_interval(after, before).count == 49


def test_bad_arguments() -> None:
    with pytest.raises(FaceGeomError, match="one number for each identity"):
        bootstrap_interval(torch.ones(3, 2))
    with pytest.raises(FaceGeomError, match="level"):
        bootstrap_interval(torch.ones(3), level=95)
    with pytest.raises(FaceGeomError, match="same identities"):
        paired_interval(torch.ones(3), torch.ones(2))
    with pytest.raises(FaceGeomError, match="at least one"):
        mann_whitney(torch.tensor([NAN]), torch.ones(3))


def test_mann_whitney_and_holm() -> None:
    g = torch.Generator().manual_seed(3)
    first, second = torch.randn(30, generator=g), torch.randn(25, generator=g) + 1
    u, p = mann_whitney(first, second)
    expected = stats.mannwhitneyu(first.double().numpy(), second.double().numpy())
    assert (u, p) == (expected.statistic, expected.pvalue)
    # Holm's own rule, one by one: 4·.005, 3·.01, 2·.03, then never falling.
    assert holm([0.03, 0.01, 0.04, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert [stars(p) for p in (0.2, 0.04, 0.009, 0.0009)] == ["", "*", "**", "***"]


def test_signed_rank_is_scipys_over_identities_that_differ() -> None:
    g = torch.Generator().manual_seed(4)
    first = torch.randn(30, generator=g)
    second = first + 0.3 + 0.3 * torch.randn(30, generator=g)
    expected = stats.wilcoxon(first.double().numpy(), second.double().numpy())
    assert signed_rank(first, second) == (expected.statistic, expected.pvalue)
    holed = torch.cat([first, torch.tensor([NAN, 1.0, 5.0])])
    other = torch.cat([second, torch.tensor([1.0, NAN, 5.0])])
    assert signed_rank(holed, other) == signed_rank(first, second)
    # It sees what a test of independent samples cannot: everybody moved a little.
    spread = 100 * torch.arange(30.0)
    assert signed_rank(spread + 1, spread)[1] < 1e-6
    assert mann_whitney(spread + 1, spread)[1] > 0.5


def test_signed_rank_without_a_difference_or_a_pair() -> None:
    values = torch.rand(5)
    assert signed_rank(values, values) == (0.0, 1.0)
    with pytest.raises(FaceGeomError, match="same identities"):
        signed_rank(values, torch.rand(4))
    with pytest.raises(FaceGeomError, match="both sides"):
        signed_rank(values, torch.full((5,), NAN))


def test_the_mean_of_nothing_defined_is_none() -> None:
    assert defined_mean(torch.tensor([NAN, NAN])) is None
    assert defined_mean(torch.tensor([])) is None
    assert defined_mean(torch.tensor([1.0, NAN, 4.0])) == 2.5
