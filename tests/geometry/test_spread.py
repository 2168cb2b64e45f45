from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.spread import identity_spread, mean_distance, sampled_mean_distance
from tests.geometry.test_energy import DISTANCES, cloud
from tests.reference import energy as reference


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("count", [2, 50, 600])
def test_mean_distance_is_the_mean_over_pairs(distance, count) -> None:
    points, _ = cloud(count)
    if count < 100:
        expected = reference.mean_distance(points.double().numpy(), distance)
    else:
        x = torch.nn.functional.normalize(points.double(), dim=1)
        expected = float((torch.pdist(x) ** 2 / 2).mean())
        if distance == "euclidean":
            expected = float(torch.pdist(points.double()).mean())
    assert mean_distance(points, distance) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
def test_sampled_mean_distance_is_near(distance) -> None:
    points, _ = cloud(400)
    exact = mean_distance(points, distance)
    assert sampled_mean_distance(points, distance) == pytest.approx(exact, rel=0.03)
    assert sampled_mean_distance(points, distance, seed=3) == sampled_mean_distance(
        points, distance, seed=3
    )


def test_spread_is_the_root_mean_square_pair_distance() -> None:
    points, _ = cloud(40)
    expected = float(torch.pdist(points.double()).square().mean().sqrt())
    assert identity_spread(points) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("measure", [mean_distance, sampled_mean_distance, identity_spread])
def test_one_embedding_has_no_pairs(measure) -> None:
    with pytest.raises(FaceGeomError, match="at least 2 embeddings, got 1"):
        measure(torch.ones(1, 3))


def test_equal_points_have_no_spread_to_the_last_digit() -> None:
    points = torch.randn(1, 12, generator=torch.Generator().manual_seed(0)).expand(34, -1)
    assert identity_spread(points) == mean_distance(points, "euclidean") == 0.0


@pytest.mark.parametrize("measure", [mean_distance, sampled_mean_distance, identity_spread])
def test_points_that_want_a_gradient_are_measured_too(measure) -> None:
    points, _ = cloud(20)
    assert measure(points.clone().requires_grad_()) == measure(points)
