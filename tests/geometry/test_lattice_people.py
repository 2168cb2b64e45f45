from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.energy import attribute_energy
from facegeom_lit.geometry.fields import central_field, response_size
from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.points import normalized
from facegeom_lit.geometry.spread import identity_spread, mean_distance
from tests.geometry.test_energy import DISTANCES, NEIGHBORHOODS

ATTRIBUTES = ("age", "pose")


def lattice(
    identities: int, nodes: int, dimension: int = 16, attributes: tuple[str, ...] = ATTRIBUTES
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Random embeddings of `identities` × `nodes`, each a middle image and two an attribute."""
    g = torch.Generator().manual_seed(0)
    images = 1 + 2 * len(attributes)
    people = torch.randn(identities, 1, 1, dimension, generator=g)
    places = torch.randn(identities, nodes, 1, dimension, generator=g)
    noise = torch.randn(identities, nodes, images, dimension, generator=g)
    embeddings = (2 * people + places + 0.5 * noise).reshape(-1, dimension)
    middle = torch.arange(identities * nodes) * images
    curves = {
        name: torch.stack([middle + 1 + 2 * i, middle, middle + 2 + 2 * i], dim=1)
        for i, name in enumerate(attributes)
    }
    owners = torch.arange(identities).repeat_interleave(nodes)
    return embeddings, curves, dict.fromkeys(attributes, owners)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
def test_each_entry_is_the_energy_of_one_identity(distance, neighborhood) -> None:
    embeddings, curves, identity = lattice(3, 12)
    rule = Neighborhood(neighborhood, radius=0.9)
    measured = lattice_geometry(embeddings, curves, identity, rules=[rule], distance=distance)
    placed = normalized(embeddings) if distance == "cosine" else embeddings
    for person in range(3):
        images = placed[person * 60 : (person + 1) * 60]  # all steps of all attributes
        for attribute in ATTRIBUTES:
            rows = curves[attribute][identity[attribute] == person]
            base, field = central_field(embeddings[rows], distance)
            expected = attribute_energy(
                base,
                field,
                distance=distance,
                neighborhood=neighborhood,
                radius=0.9,
                mean_distance=mean_distance(images, distance),
            )
            entry = measured.by_attribute[attribute]
            assert float(entry.energy[rule.label][person]) == pytest.approx(expected.energy)
            assert int(entry.isolated[rule.label][person]) == expected.isolated
            assert int(entry.curves[person]) == 12
            assert float(entry.response[person]) == pytest.approx(
                response_size(field, identity_spread(images))
            )


def test_identities_may_have_any_numbers_and_different_curves() -> None:
    embeddings, curves, identity = lattice(3, 6)
    identity = {name: torch.tensor([4, 9, 2])[owners] for name, owners in identity.items()}
    curves = curves | {"age": curves["age"][5:]}
    identity = identity | {"age": identity["age"][5:]}
    measured = lattice_geometry(embeddings, curves, identity, rules=[Neighborhood("knn")])
    assert measured.identities.tolist() == [2, 4, 9]
    assert measured.by_attribute["age"].curves.tolist() == [6, 1, 6]
    # One curve has no energy, but a response.
    energy = measured.values("energy", "age")
    assert energy.isnan().tolist() == [False, True, False]
    assert not measured.values("response", "age").isnan().any()
    assert measured.mean("energy", "age") == pytest.approx(float(energy[[0, 2]].mean()))


def test_nothing_defined_has_no_mean() -> None:
    embeddings, curves, identity = lattice(2, 4)
    still = embeddings[curves["age"][:, 1].repeat_interleave(5)]  # an attribute without effect
    measured = lattice_geometry(still, curves, identity)
    assert measured.mean("energy", "age") is None
    assert measured.mean("response", "age") == 0
    assert measured.by_attribute["age"].dropped.tolist() == [4, 4]


def test_bad_curves_are_named() -> None:
    embeddings, curves, identity = lattice(2, 4)
    with pytest.raises(FaceGeomError, match="same attributes"):
        lattice_geometry(embeddings, curves, {"age": identity["age"]})
    with pytest.raises(FaceGeomError, match=r"'age'.*\(C, 3\)"):
        lattice_geometry(embeddings, curves | {"age": curves["age"][:, :2]}, identity)
    with pytest.raises(FaceGeomError, match="there are 30 embeddings"):
        lattice_geometry(embeddings[:30], curves, identity)
    embeddings[3] = torch.nan
    with pytest.raises(FaceGeomError, match="1 of 40 rows"):
        lattice_geometry(embeddings, curves, identity)


@pytest.mark.slow
def test_a_whole_lattice_takes_seconds() -> None:
    embeddings, curves, identity = lattice(40, 30, 128, tuple("abcdefgh"))
    start = time.perf_counter()
    lattice_geometry(embeddings, curves, identity)
    assert time.perf_counter() - start < 10  # under one on an idle core
