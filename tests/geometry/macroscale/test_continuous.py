from __future__ import annotations

import pytest
import torch
from reference import macroscale as reference
from scipy import stats

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.continuous import distance_correlation


def test_equals_the_definition_summed_term_by_term() -> None:
    g = torch.Generator().manual_seed(0)
    points = torch.randn(40, 6, dtype=torch.float64, generator=g)
    values = points[:, 0] + torch.randn(40, dtype=torch.float64, generator=g)
    expected = reference.distance_correlation(points.numpy(), values.numpy())
    found = distance_correlation(points, values, distance="euclidean", permutations=0)
    assert found.value == pytest.approx(expected, abs=1e-10)
    assert found.p is None
    unit = torch.nn.functional.normalize(points, dim=1)
    expected = reference.distance_correlation(unit.numpy(), values.numpy())
    found = distance_correlation(points, values, permutations=0)
    assert found.value == pytest.approx(expected, abs=1e-6)


def test_dependence_is_found_and_independence_has_a_uniform_p() -> None:
    g = torch.Generator().manual_seed(0)
    points = torch.randn(100, 3, generator=g)
    # A bend without a slope, which a correlation of values would not see.
    bent = distance_correlation(points, points[:, 0].square(), distance="euclidean")
    assert bent.value is not None
    assert bent.value > 0.02
    assert bent.p is not None
    assert bent.p <= 0.01
    points = torch.randn(60, 64, generator=g)
    found = [
        distance_correlation(points, torch.randn(60, generator=g), permutations=99, seed=seed)
        for seed in range(60)
    ]
    assert abs(sum(f.value or 0.0 for f in found) / len(found)) < 0.01
    assert stats.kstest([f.p for f in found], "uniform").pvalue > 0.01


def test_what_does_not_vary_is_undefined() -> None:
    points = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    assert distance_correlation(points, torch.ones(10)).value is None
    with pytest.raises(FaceGeomError, match="at least 4"):
        distance_correlation(points[:3], torch.arange(3.0))
