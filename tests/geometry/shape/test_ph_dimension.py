from __future__ import annotations

import pytest
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.shape.ph_dimension import ph_dimension


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def embedded(points: Tensor) -> Tensor:
    """Turn points into a random subspace of R^128, which changes no distance."""
    turned = torch.linalg.qr(torch.randn(128, points.shape[1], generator=drawn(9)).double()).Q
    return points.double() @ turned.T


def cube(dimension: int, count: int = 1000) -> Tensor:
    return embedded(torch.rand(count, dimension, generator=drawn(dimension)))


def sphere(dimension: int, count: int = 1000) -> Tensor:
    return embedded(torch.randn(count, dimension + 1, generator=drawn(dimension)))


@pytest.mark.parametrize(("dimension", "low", "high"), [(1, 0, 0.05), (2, 0.1, 0), (5, 0.6, 0)])
def test_a_cube_s_dimension_is_found(dimension: int, low: float, high: float) -> None:
    found = ph_dimension(cube(dimension), distance="euclidean")
    assert found.value is not None
    assert found.error is not None
    assert -low < found.value - dimension < high + 2 * found.error


@pytest.mark.parametrize(("dimension", "bias"), [(1, 0.04), (2, 0.05), (3, 0.05), (5, 0.05)])
def test_a_sphere_s_dimension_is_found_from_directions_alone(dimension: int, bias: float) -> None:
    lengths = 0.1 + torch.rand(1000, 1, generator=drawn(7)).double()
    found = ph_dimension(sphere(dimension) * lengths)
    assert found.value is not None
    assert found.error is not None
    assert abs(found.value - dimension) < bias + 2 * found.error


@pytest.mark.parametrize("dimension", [1, 4])
def test_the_error_covers_other_clouds_and_is_no_more_than_thrice_too_wide(dimension: int) -> None:
    found = [
        ph_dimension(embedded(torch.randn(128, dimension + 1, generator=drawn(seed))))
        for seed in range(16)
    ]
    deviation = float(torch.tensor([each.value for each in found]).std())
    stated = float(torch.tensor([each.error for each in found]).mean())
    assert 0.8 * deviation < stated < 3 * deviation


def test_other_powers_agree() -> None:
    points = cube(3, 500)
    values = [
        ph_dimension(points, distance="euclidean", alpha=alpha).value for alpha in (0.5, 1.0, 2.0)
    ]
    assert values == pytest.approx([3.0] * 3, abs=0.4)


def test_scale_and_place_do_not_matter() -> None:
    points = cube(2, 200)
    found = [
        ph_dimension(cloud, distance="euclidean").value for cloud in (points, 1e3 * points + 50)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_the_growth_law_is_handed_over() -> None:
    found = ph_dimension(cube(2, 400), distance="euclidean")
    assert found.sizes.tolist()[::7] == [25, 200]
    assert (found.sums.diff() > 0).all()
    assert ph_dimension(cube(2, 400), distance="euclidean").value == found.value


def test_points_that_are_all_equally_far_apart_have_no_dimension() -> None:
    found = ph_dimension(torch.eye(128))
    assert found.value is None
    assert found.error is None


@pytest.mark.parametrize(
    ("points", "arguments", "words"),
    [
        (torch.rand(63, 4), {}, "at least 64 points, got 63"),
        (torch.ones(64, 4), {}, "coincide"),
        (torch.rand(64, 4), {"alpha": 0}, "`alpha` must be positive"),
        (torch.rand(64, 4), {"shuffles": 0}, "`shuffles` at least 1"),
        (torch.full((64, 4), torch.inf), {}, "infinity"),
    ],
)
def test_bad_input_is_refused(points: Tensor, arguments: dict[str, float], words: str) -> None:
    with pytest.raises(FaceGeomError, match=words):
        ph_dimension(points, **arguments)
