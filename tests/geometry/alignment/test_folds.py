from __future__ import annotations

import pytest
import torch

from facegeom_lit.geometry.alignment.affine import AffineAccumulator
from facegeom_lit.geometry.alignment.folds import FOLDS, fold_of


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 10, 16, 25, 64, 100, 1000, 2**20, 2**40])
@pytest.mark.parametrize("first", [0, 1, -500, 10**12])
def test_folds_are_balanced_however_identities_are_numbered(step, first) -> None:
    people = first + step * torch.arange(1000)
    counts = fold_of(people).bincount(minlength=FOLDS)
    assert counts.min() >= 180
    assert counts.max() <= 220


def test_five_people_in_sequence_take_five_folds() -> None:
    assert sorted(fold_of(torch.arange(5)).tolist()) == list(range(FOLDS))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_a_fold_depends_on_the_number_alone(dtype) -> None:
    people = torch.randperm(100)
    assert torch.equal(fold_of(people.to(dtype)), fold_of(people))
    assert torch.equal(fold_of(people[30:40]), fold_of(people)[30:40])


def test_an_accumulator_keeps_each_identity_in_one_fold() -> None:
    """Ids in steps of five: a remainder would put everybody in one fold."""
    groups = 5 * (torch.arange(400) // 4)
    points = torch.randn(400, 6)
    sums = AffineAccumulator()
    sums.update(points, points, groups)
    expected = [points[fold_of(groups) == fold].double() for fold in range(FOLDS)]
    for moments, own in zip(sums.folds, expected, strict=True):
        assert int(moments.count) == len(own)
        assert torch.allclose(moments.x_mean, own.mean(0))
