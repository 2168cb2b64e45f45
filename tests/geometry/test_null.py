from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry import microscale
from facegeom_lit.geometry import null as null_module
from facegeom_lit.geometry.energy import attribute_energy
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.null import null_energies, null_energy
from tests.geometry.test_energy import NEIGHBORHOODS, cloud


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("neighborhood", NEIGHBORHOODS)
def test_null_is_the_energy_of_permuted_base_points(monkeypatch, neighborhood, few) -> None:
    """By whole matrices and by blocks."""
    if not few:
        monkeypatch.setattr(microscale, "DENSE", 1)
        monkeypatch.setattr(null_module, "DENSE", 1)
    base, field = cloud(300)
    null = null_energy(base, field, 3, seed=7, neighborhood=neighborhood)
    observed = attribute_energy(base, field, neighborhood=neighborhood)
    assert null.observed.energy == pytest.approx(observed.energy, abs=1e-9)
    assert null.observed.isolated == observed.isolated
    g = torch.Generator().manual_seed(7)
    for measured in null.energies.tolist():
        order = torch.randperm(300, generator=g)
        expected = attribute_energy(base, field[order], neighborhood=neighborhood).energy
        assert measured == pytest.approx(expected, abs=1e-6)


def test_an_aligned_field_is_far_below_chance_and_noise_is_not() -> None:
    base, field = cloud(200)
    aligned = null_energy(base, field, 100)
    assert aligned.z is not None
    assert aligned.z < -10
    noise = torch.randn(200, 16, generator=torch.Generator().manual_seed(3))
    chance = null_energy(base, noise, 100)
    assert chance.z is not None
    assert abs(chance.z) < 3
    assert chance.mean == pytest.approx(1, abs=0.02)


def test_same_seed_same_null() -> None:
    base, field = cloud(50)
    first, second, other = (null_energy(base, field, 5, seed=seed).energies for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_undefined() -> None:
    base, field = cloud(20)
    still = null_energy(base, 0 * field, 5)
    assert (still.mean, still.std, still.z) == (None, None, None)
    assert still.observed.dropped == 20
    # Everybody is everybody's neighbour: permuting changes nothing, so no z.
    assert null_energy(base, field, 5, neighborhood="knn", k=19).z is None
    assert null_energy(base, field, 0).mean is None
    with pytest.raises(FaceGeomError, match="permutations"):
        null_energy(base, field, -1)


@pytest.mark.parametrize("few", [True, False])
def test_several_fields_have_the_nulls_of_each(monkeypatch, few) -> None:
    if not few:
        monkeypatch.setattr(microscale, "DENSE", 1)
        monkeypatch.setattr(null_module, "DENSE", 1)
    base, field = cloud(60)
    still = field.clone()
    still[7] = 0
    fields = {"a": field, "b": still, "c": torch.roll(field, 1, 0)}
    together = null_energies(base, fields, Neighborhood(radius=0.4), 18, seed=3)
    assert list(together) == ["a", "b", "c"]
    for name, one in fields.items():
        alone = null_energy(base, one, 18, seed=3, radius=0.4)
        assert torch.allclose(together[name].energies, alone.energies, atol=1e-7, rtol=0)
        assert together[name].observed.isolated == alone.observed.isolated
        assert together[name].observed.dropped == (name == "b")
