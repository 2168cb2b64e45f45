from __future__ import annotations

import numpy as np
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.migration.profile import FEWEST, Profile


def test_reading_is_that_of_numpy() -> None:
    g = np.random.default_rng(0)
    spread = np.geomspace(5, 0.2, 12)
    first, second = g.normal(size=(200, 12)) * spread + 1, g.normal(size=(90, 12)) * spread
    found = Profile.of(torch.from_numpy(first)).read(torch.from_numpy(second))
    covariance = np.cov(first.T)
    away = second - first.mean(0)
    squared = np.einsum("ij,jk,ik->i", away, np.linalg.inv(covariance), away)
    assert found.distance == pytest.approx(squared.mean() / 12)
    values, axes = np.linalg.eigh(covariance)
    expected = np.corrcoef(np.log(values), np.log((second @ axes).var(0, ddof=1)))[0, 1]
    assert found.agreement == pytest.approx(expected)
    assert (found.rows, found.axes) == (90, 12)
    assert found.chance == pytest.approx(4 / 12**0.5)


def test_directions_that_never_vary_are_left_out() -> None:
    points = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    points = torch.cat([points, points[:, :1]], dim=1)  # rank 5 of 6
    reading = Profile.of(points).read(points)
    assert reading.axes == 5
    assert reading.distance == pytest.approx(59 / 60)
    with pytest.raises(FaceGeomError, match="fewer than two directions"):
        Profile.of(torch.ones(9, 3)).read(points)


def test_few_templates_are_read_by_their_distance_alone() -> None:
    points = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    profile = Profile.of(points)
    assert profile.read(points[: FEWEST - 1]).agreement is None
    assert profile.read(points[:1]).distance > 0
    assert profile.read(points[:FEWEST]).agreement is not None
    assert profile.read(torch.zeros(FEWEST, 4)).agreement == 0  # equal rows agree with nothing
