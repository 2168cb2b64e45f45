from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.correlation import (
    bin_centres,
    correlation_length,
    pooled_correlation,
)
from tests.reference import lattice as reference

NAN = math.nan


def length(*values: float, reach: float = 2.0) -> float | None:
    return correlation_length(torch.tensor(values), reach)


@pytest.mark.parametrize("scale", [0.1, 0.3, 0.7])
def test_an_exponential_decay_gives_its_own_length(scale: float) -> None:
    centres = bin_centres(200, 3.0)
    found = correlation_length(0.8 * torch.exp(-centres / scale), 3.0)
    # It falls to 1/e of its first bin one length after that bin's centre.
    assert found == pytest.approx(scale + float(centres[0]), abs=0.002)


def test_what_has_no_length_is_none() -> None:
    assert length(1.0, 1.0, 1.0) is None  # never falls
    assert length(0.0, -1.0) is None  # nothing to fall from
    assert length(-0.5, 0.5, 0.1) is None
    assert length(NAN, NAN) is None
    assert length(0.5) is None


def test_empty_bins_are_passed_over() -> None:
    assert length(NAN, 1.0, NAN, 0.0, reach=4.0) == pytest.approx(1.5 + 2 * (1 - 1 / math.e))
    assert length(1.0, NAN, NAN, 1.0, reach=4.0) is None


def test_only_the_first_fall_counts() -> None:
    assert length(1.0, 0.0, 1.0, 0.0, reach=4.0) == length(1.0, 0.0, reach=2.0)


@given(
    st.lists(st.floats(-1, 1) | st.just(NAN), min_size=1, max_size=8),
    st.floats(0.1, 5),
)
def test_it_agrees_with_the_sentence(values: list[float], reach: float) -> None:
    exact = torch.tensor(values, dtype=torch.float64)
    expected = reference.correlation_length(values, reach)
    measured = correlation_length(exact, reach)
    assert measured == (None if expected is None else pytest.approx(expected, rel=1e-9))
    if measured is not None:
        assert 0 < measured < reach
        scaled = correlation_length(exact, 3 * reach)
        assert scaled == pytest.approx(3 * measured)  # in whatever unit the reach is


def test_pooling_weighs_by_pairs() -> None:
    values = torch.tensor([[1.0, NAN, NAN], [0.0, 0.5, NAN]])
    pairs = torch.tensor([[3, 0, 0], [1, 2, 0]])
    pooled = pooled_correlation(values, pairs)
    assert pooled[:2].tolist() == [0.75, 0.5]
    assert pooled[2].isnan()


def test_bad_arguments() -> None:
    with pytest.raises(FaceGeomError, match="reach"):
        length(1.0, reach=0.0)
    with pytest.raises(FaceGeomError, match=r"\(bins,\)"):
        correlation_length(torch.ones(2, 2))
    with pytest.raises(FaceGeomError, match="one shape"):
        pooled_correlation(torch.ones(2, 2), torch.ones(2, 3))
