from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.sampler import IdentityBatchSampler

LABELS = torch.arange(20).repeat_interleave(12)[
    torch.randperm(240, generator=torch.Generator().manual_seed(0))
]


def test_variations_stand_together() -> None:
    sampler = IdentityBatchSampler(LABELS, 5, 4, seed=1)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 12
    assert sorted(chain(*batches)) == list(range(240))  # every image once
    for batch in batches:
        groups = LABELS[torch.tensor(batch)].view(5, 4)
        assert (groups == groups[:, :1]).all()


def test_epochs_are_repeatable_and_differ() -> None:
    told: list[int] = []
    a = IdentityBatchSampler(LABELS, 5, 4, seed=1, on_epoch=told.append)
    b = IdentityBatchSampler(LABELS, 5, 4, seed=1)
    first = list(a)
    assert first == list(a) == list(b)
    a.sampler.set_epoch(3)
    assert told == [3]
    assert list(a) != first
    b.set_epoch(3)
    assert list(a) == list(b)
    assert list(IdentityBatchSampler(LABELS, 5, 4, seed=2)) != first


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(2, 9), min_size=6, max_size=12),
    replicas=st.integers(1, 3),
    size=st.integers(2, 5),
)
def test_processes_share_the_work(counts: list[int], replicas: int, size: int) -> None:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    ranks = [
        IdentityBatchSampler(labels, 2, size, 0, num_replicas=replicas, rank=rank)
        for rank in range(replicas)
    ]
    batches = [list(sampler) for sampler in ranks]
    assert {len(part) for part in batches} == {len(ranks[0])}
    every = [tuple(batch) for part in batches for batch in part]
    assert len(set(every)) == len(every)
    assert all(len(batch) == 2 * size for batch in every)
    if all(count % size == 0 for count in counts):
        rows = list(chain(*every))
        assert len(set(rows)) == len(rows)


@settings(max_examples=50, deadline=None)
@given(
    groups=st.lists(st.integers(1, 9), min_size=3, max_size=9),
    per_batch=st.integers(1, 4),
    epoch=st.integers(0, 5),
)
def test_no_identity_twice_while_enough_are_left(
    groups: list[int], per_batch: int, epoch: int
) -> None:
    labels = torch.repeat_interleave(torch.arange(len(groups)), 2 * torch.tensor(groups))
    if sum(groups) < per_batch:
        return
    sampler = IdentityBatchSampler(labels, per_batch, 2)
    sampler.set_epoch(epoch)
    left = Counter(dict(enumerate(groups)))
    for batch in sampler:
        held = Counter(labels[torch.tensor(batch[::2])].tolist())
        assert len(held) == min(per_batch, len(+left))
        left -= held


def test_small_identities_repeat_their_images() -> None:
    sampler = IdentityBatchSampler(torch.tensor([0, 0, 1, 1, 1]), 2, 5)
    (batch,) = list(sampler)
    groups = {frozenset(batch[:5]), frozenset(batch[5:])}
    assert groups == {frozenset({0, 1}), frozenset({2, 3, 4})}


def test_faults_are_named() -> None:
    with pytest.raises(FaceGeomError, match=r"Identity 'bob' has one image.*data\.min_images=2"):
        IdentityBatchSampler(torch.tensor([0, 0, 1]), 1, 2, names=["ada", "bob"])
    with pytest.raises(FaceGeomError, match=r"too few .*Lower training\.identities_per_batch"):
        IdentityBatchSampler(torch.tensor([0, 0, 1, 1]), 3, 2)
    with pytest.raises(FaceGeomError, match="images_per_identity ≥ 2, got 4 and 1"):
        IdentityBatchSampler(torch.tensor([0, 0]), 4, 1)
