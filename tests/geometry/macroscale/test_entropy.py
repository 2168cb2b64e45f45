from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from reference import macroscale as reference

from facegeom_lit.geometry.macroscale.entropy import (
    entropies,
    entropy_by_identity,
    inter_entropy,
    mean_by_identity,
)
from facegeom_lit.geometry.macroscale.people import People


def labelled(people: int = 40, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Identities in no order, and a value of -1 or 1 for each image."""
    draw = np.random.default_rng(seed)
    identity = draw.permutation(np.repeat(np.arange(people) * 7, draw.integers(1, 12, people)))
    share = draw.random(people)[identity // 7]
    values = np.where(draw.random(len(identity)) < share, 1.0, -1.0)
    return torch.from_numpy(identity), torch.from_numpy(values)


def test_both_entropies_equal_scipy_and_scikit_learn() -> None:
    identity, values = labelled()
    people = People.of(identity)
    within = entropy_by_identity(people, (values[people.order] > 0).long())
    expected = reference.intra_entropy(values.numpy(), identity.numpy())
    assert float(within.mean()) == pytest.approx(expected, abs=1e-12)
    between = inter_entropy(mean_by_identity(people, values[people.order]))
    expected = reference.inter_entropy(values.numpy(), identity.numpy())
    assert float(between) == pytest.approx(expected, abs=1e-9)


def test_a_coin_has_one_bit_and_a_constant_none() -> None:
    people = People.of(torch.tensor([0, 0, 1, 1, 2, 2]))
    found = entropy_by_identity(people, torch.tensor([0, 2, 2, 2, -1, -1]))
    assert found[:2].tolist() == pytest.approx([math.log(2), 0.0])
    assert found[2].isnan()
    assert float(entropies(torch.ones(101))) == pytest.approx(math.log(101))


def test_unknown_values_are_left_out_of_means() -> None:
    people = People.of(torch.tensor([5, 5, 3]))
    values = torch.tensor([float("nan"), 1.0, float("nan")])
    means = mean_by_identity(people, values[people.order])
    assert means[0].isnan()
    assert float(means[1]) == 1.0


def test_people_spread_evenly_differ_the_most() -> None:
    even = inter_entropy(torch.linspace(-1, 1, 500))
    assert float(inter_entropy(torch.zeros(500))) < 3.2 < 4.55 < float(even) < math.log(101)


def test_weighted_people_count_as_often_as_they_are_drawn() -> None:
    means = torch.tensor([-0.5, 0.1, 0.1, 0.9], dtype=torch.float64)
    drawn = torch.tensor([[2.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    found = inter_entropy(means, drawn)
    assert float(found[0]) == pytest.approx(float(inter_entropy(means[[0, 0, 1, 3]])))
    assert float(found[1]) == pytest.approx(float(inter_entropy(means)))
