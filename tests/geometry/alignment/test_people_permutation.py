from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.people_permutation import permute_people


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(1, 9), min_size=2, max_size=25),
    seed=st.integers(0, 2**16),
)
def test_it_is_a_permutation_that_moves_people(counts, seed) -> None:
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)) * 5 - 3
    labels = labels[torch.randperm(len(labels), generator=g)]
    order = permute_people(labels, g)
    assert torch.equal(order.sort().values, torch.arange(len(labels)))
    if len(set(counts)) == 1:
        for person in labels.unique():
            given_to = labels[order[labels == person]].unique()
            assert len(given_to) == 1  # as a whole
            assert given_to != person


def test_single_images_are_permuted_evenly() -> None:
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(7)
    seen = torch.zeros(7, 7)
    for _ in range(1200):
        seen[labels, permute_people(labels, g)] += 1
    assert (seen.diagonal() == 0).all()
    others = seen[~torch.eye(7, dtype=torch.bool)]
    torch.testing.assert_close(others, torch.full((42,), 200.0), rtol=0.25, atol=0)


def test_most_images_stay_together_where_numbers_differ() -> None:
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(60).repeat_interleave(torch.randint(10, 30, (60,), generator=g))
    given = labels[permute_people(labels, g)]
    together = [given[labels == person].bincount().max() for person in range(60)]
    assert sum(together) > 0.9 * len(labels)


def test_the_generator_decides() -> None:
    labels = torch.arange(30) // 3
    first, second, third = (
        permute_people(labels, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_one_person_cannot_be_permuted() -> None:
    with pytest.raises(FaceGeomError, match="only one"):
        permute_people(torch.zeros(5, dtype=torch.int64), torch.Generator())
