from __future__ import annotations

from itertools import chain

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.curve_sampler import CurveBatchSampler

LABELS = torch.arange(6).repeat_interleave(12)
CURVES = torch.arange(72).view(24, 3)[:, [1, 0, 2]]  # a node's middle image is written first


def test_curves_stand_whole_and_in_order() -> None:
    sampler = CurveBatchSampler(LABELS, CURVES, 3, 2, seed=1)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 4
    assert sorted(chain(*batches)) == list(range(72))  # every image once
    known = {tuple(curve) for curve in CURVES.tolist()}
    for batch in batches:
        rows = torch.tensor(batch)
        assert {tuple(curve) for curve in rows.view(-1, 3).tolist()} <= known
        people = LABELS[rows].view(3, 6)
        assert (people == people[:, :1]).all()
    assert list(sampler) == batches
    sampler.set_epoch(1)
    assert list(sampler) != batches


def test_processes_share_the_work() -> None:
    parts = [
        list(CurveBatchSampler(LABELS, CURVES, 3, 2, num_replicas=2, rank=rank))
        for rank in range(2)
    ]
    assert [len(part) for part in parts] == [2, 2]
    assert sorted(chain(*chain(*parts))) == list(range(72))


def test_faults_are_named() -> None:
    with pytest.raises(FaceGeomError, match="one curve"):
        CurveBatchSampler(LABELS, CURVES[:5], 1, 2)
