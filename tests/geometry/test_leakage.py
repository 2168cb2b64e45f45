from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.leakage import (
    chance_leakage,
    directions_to_nearest,
    identity_leakage,
)
from tests.geometry.test_energy import DISTANCES
from tests.reference import lattice as reference


def points(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("distance", DISTANCES)
def test_it_agrees_with_the_sentence(distance) -> None:
    centres, field = points(7, 6) + 0.5, points(30, 6, seed=1)
    for own in range(7):
        others = torch.cat([centres[:own], centres[own + 1 :]])
        expected = reference.leakage(
            field.double().numpy(), centres.double().numpy(), own, distance
        )
        measured = identity_leakage(field, centres[own], others, distance)
        assert measured == pytest.approx(expected, abs=1e-9)


def test_known_answers() -> None:
    centre, others = torch.zeros(3), torch.tensor([[0.0, 0, 2], [0, 9, 0]])
    along, across = torch.tensor([[0.0, 0, 5], [0, 0, -1]]), torch.tensor([[1.0, 0, 0], [1, 1, 0]])
    assert identity_leakage(along, centre, others, "euclidean") == 1
    assert identity_leakage(across, centre, others, "euclidean") == 0
    # By the cosine, a centre of length zero has no nearest one.
    assert identity_leakage(along, centre, others, "cosine") is None


def test_what_is_undefined_is_none() -> None:
    field, centre = points(4, 3), torch.ones(3)
    assert identity_leakage(field, centre, torch.zeros(0, 3)) is None
    assert identity_leakage(torch.zeros(4, 3), centre, points(2, 3)) is None
    assert identity_leakage(field, centre, centre.unsqueeze(0)) is None  # nowhere to go
    still = torch.cat([field, torch.zeros(2, 3)])
    others = points(2, 3, seed=2)
    assert identity_leakage(still, centre, others) == identity_leakage(field, centre, others)
    with pytest.raises(FaceGeomError, match="same dimension"):
        identity_leakage(field, torch.ones(2), others)
    with pytest.raises(FaceGeomError, match="centres"):
        directions_to_nearest(torch.full((3, 2), torch.nan))


@pytest.mark.parametrize("dimension", [1, 2, 16, 128])
def test_random_directions_leak_what_chance_says(dimension: int) -> None:
    field = points(20000, dimension)
    measured = identity_leakage(field, torch.zeros(dimension), points(1, dimension), "euclidean")
    assert measured == pytest.approx(chance_leakage(dimension), rel=0.03)


def test_chance_needs_a_dimension() -> None:
    with pytest.raises(FaceGeomError, match="dimension"):
        chance_leakage(0)
