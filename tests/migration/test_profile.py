from __future__ import annotations

import numpy as np
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.migration.profile import FEWEST, Profile


def shrunk(points: np.ndarray) -> np.ndarray:
    """Ledoit and Wolf (2004), equation by equation."""
    centred = points - points.mean(0)
    plain = centred.T @ centred / len(points)
    level = np.trace(plain) / len(plain)
    target = level * np.eye(len(plain))
    apart = ((plain - target) ** 2).sum()
    noise = sum(((np.outer(row, row) - plain) ** 2).sum() for row in centred) / len(points) ** 2
    share = min(noise, apart) / apart
    return share * target + (1 - share) * plain


def test_reading_is_that_of_numpy() -> None:
    g = np.random.default_rng(0)
    spread = np.geomspace(5, 0.2, 12)
    first, second = g.normal(size=(200, 12)) * spread + 1, g.normal(size=(90, 12)) * spread
    found = Profile.of(torch.from_numpy(first)).read(torch.from_numpy(second))
    covariance = shrunk(first)
    away = second - first.mean(0)
    squared = np.einsum("ij,jk,ik->i", away, np.linalg.inv(covariance), away)
    assert found.distance == pytest.approx(squared.mean() / 12)
    values, axes = np.linalg.eigh(covariance)
    variances = (second @ axes).var(0, ddof=1).clip(values.min())
    assert found.agreement == pytest.approx(np.corrcoef(np.log(values), np.log(variances))[0, 1])
    assert (found.rows, found.axes) == (90, 12)
    assert found.chance == pytest.approx(4 / 12**0.5)


def test_about_as_many_embeddings_as_dimensions_do_not_make_new_ones_far() -> None:
    points = torch.randn(400, 64, generator=torch.Generator().manual_seed(0)) * torch.linspace(
        1, 4, 64
    )
    assert Profile.of(points[:66]).read(points[66:]).distance < 1.5


def test_directions_that_never_vary() -> None:
    points = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 9)
    points = torch.cat([points, torch.zeros(60, 2)], dim=1)  # dead outputs
    agreement = Profile.of(points[:30]).read(points[30:]).agreement
    assert agreement is not None
    assert agreement > 0.8
    with pytest.raises(FaceGeomError, match="fewer than two directions"):
        Profile.of(torch.ones(9, 3)).read(points)


def test_few_templates_are_read_by_their_distance_alone() -> None:
    points = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    profile = Profile.of(points)
    assert profile.read(points[: FEWEST - 1]).agreement is None
    assert profile.read(points[:1]).distance > 0
    assert profile.read(points[:FEWEST]).agreement is not None
    assert profile.read(torch.zeros(FEWEST, 4)).agreement == 0  # equal rows agree with nothing
