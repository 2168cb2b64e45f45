from __future__ import annotations

import pytest
import torch
from scipy import stats

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.modalities import WITH, WITHOUT, modalities
from facegeom_lit.geometry.macroscale.people import People
from facegeom_lit.geometry.macroscale.sampling import Modality


def test_one_image_of_each_identity_and_only_of_the_modality() -> None:
    g = torch.Generator().manual_seed(0)
    identity = torch.randint(50, (600,), generator=g)
    present = torch.rand(600, generator=g) < 0.2
    people = People.of(identity)
    side = Modality(people, present[people.order])
    assert side.images == int(present.sum())
    assert side.identities == len(identity[present].unique())
    rows = side.draw(30, torch.Generator().manual_seed(1))
    assert bool(present[rows].all())
    assert len(identity[rows].unique()) == 30
    assert torch.equal(rows, side.draw(30, torch.Generator().manual_seed(1)))
    assert not torch.equal(rows, side.draw(30, torch.Generator().manual_seed(2)))


def test_identities_and_their_images_are_drawn_evenly() -> None:
    identity = torch.tensor([0, 0, 0, 0, 1, 2, 2])
    present = torch.tensor([True, True, False, True, True, True, True])
    side = Modality(People.of(identity), present)
    generator = torch.Generator().manual_seed(0)
    rows = torch.cat([side.draw(2, generator) for _ in range(3000)])
    counts = torch.bincount(rows, minlength=7)
    assert int(counts[2]) == 0
    for person, images in ((0, [0, 1, 3]), (2, [5, 6])):
        assert stats.chisquare(counts[images]).pvalue > 1e-3, person
    assert stats.chisquare([counts[:4].sum(), counts[4], counts[5:].sum()]).pvalue > 1e-3


def test_two_values_are_binary_and_more_are_cut_in_thirds() -> None:
    binary = modalities(torch.tensor([0, 1, 1]))
    assert binary is not None
    assert binary.kind == "binary"
    assert binary.level.tolist() == [WITHOUT, WITH, WITH]
    assert binary.scaled.tolist() == [-1.0, 1.0, 1.0]
    many = modalities(torch.arange(99.0))
    assert many is not None
    assert many.kind == "continuous"
    assert torch.bincount(many.level).tolist() == [33, 33, 33]


@pytest.mark.parametrize("common", [0.0, 1.0])
def test_ties_leave_nobody_on_both_sides_and_no_side_empty(common: float) -> None:
    values = torch.cat([torch.full((60,), common), torch.linspace(0.1, 0.9, 30)])
    found = modalities(values)
    assert found is not None
    counts = torch.bincount(found.level, minlength=3)
    assert min(int(counts[WITH]), int(counts[WITHOUT])) >= 10
    assert float(values[found.level == WITHOUT].max()) < float(values[found.level == WITH].min())


def test_unknown_values_are_no_modality() -> None:
    found = modalities(torch.tensor([float("nan"), 1.0, -1.0]))
    assert found is not None
    assert found.known.tolist() == [False, True, True]
    assert modalities(torch.full((3,), float("nan"))) is None
    assert modalities(torch.ones(3)) is None


def test_identities_are_integers() -> None:
    with pytest.raises(FaceGeomError, match="an integer for each image"):
        People.of(torch.ones(3))
