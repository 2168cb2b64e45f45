"""Whole curves and lattices whose fields are known by construction."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.controlled import (
    curve_embeddings,
    fields_at_angles,
    gaussian_cloud,
    random_field,
)
from facegeom_lit.geometry.fields import central_field
from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.points import normalized

RULES = (Neighborhood("ball"), Neighborhood("knn"), Neighborhood("inverse_distance"))
DIMENSION = 16


def chance(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 999),
    distance=st.sampled_from(["cosine", "euclidean"]),
    size=st.floats(0.01, 1.9),
    dimension=st.integers(2, 40),
)
def test_curves_carry_the_field_that_they_were_made_for(seed, distance, size, dimension) -> None:
    base = gaussian_cloud(20, dimension, chance(seed))
    field = size * random_field(20, dimension, chance(seed + 1))
    curves = curve_embeddings(base, field, distance)
    middle, found = central_field(3.7 * curves if distance == "cosine" else curves, distance)
    assert torch.allclose(found, field, atol=1e-9)
    expected = normalized(base) if distance == "cosine" else base
    assert torch.allclose(middle, expected, atol=1e-9)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_a_whole_lattice_of_known_fields(distance) -> None:
    """Three people, each with two attributes at 60°: one direction at each person's points."""
    people, nodes = 3, 80
    cosines = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
    embeddings, rows = [], {"first": [], "second": []}
    for person in range(people):
        base = 4 * torch.eye(DIMENSION)[person] + gaussian_cloud(nodes, DIMENSION, chance(person))
        fields = fields_at_angles(cosines, nodes, DIMENSION, chance(9 + person), coherent=True)
        # The attributes of a node share its middle image.
        first, second = (curve_embeddings(base, 0.2 * v, distance) for v in fields)
        at = 5 * nodes * person + 5 * torch.arange(nodes).unsqueeze(1)
        embeddings.append(torch.cat([first, second[:, [0, 2]]], dim=1).flatten(0, 1))
        rows["first"].append(at + torch.tensor([0, 1, 2]))
        rows["second"].append(at + torch.tensor([3, 1, 4]))
    curves = {name: torch.cat(parts) for name, parts in rows.items()}
    owner = torch.arange(people).repeat_interleave(nodes)
    found = lattice_geometry(
        torch.cat(embeddings),
        curves,
        dict.fromkeys(curves, owner),
        rules=RULES,
        distance=distance,
        null_permutations=5,
    )
    for geometry in found.by_attribute.values():
        assert torch.stack(list(geometry.energy.values())).abs().max() < 1e-6
        assert torch.allclose(geometry.order_parameter, torch.ones(people).double(), atol=1e-6)
        assert torch.allclose(geometry.response_raw, torch.full((people,), 0.2).double())
        assert torch.allclose(geometry.response * found.spread, geometry.response_raw)
        assert geometry.null_z.isnan().all(), "one direction is one direction in any order"
    assert torch.allclose(found.mean_interaction(), 1 - cosines.double(), atol=1e-6)


def test_a_displacement_longer_than_the_sphere_is_refused() -> None:
    with pytest.raises(FaceGeomError, match="shorter than 2"):
        curve_embeddings(torch.eye(2), 2 * torch.eye(2))
