from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.epoch_batches import EpochBatches
from facegeom_lit.synthesis.prior.conditions import AttributeScale, condition_vector
from facegeom_lit.synthesis.prior.latent_scale import LatentScale


def test_conditions_are_left_out_whole() -> None:
    codes, attributes = torch.ones(3, 2), torch.full((3, 1), 5.0)
    found = condition_vector(
        codes, attributes, torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 0.0])
    )
    expected = [[1, 1, 1, 5, 1], [0, 0, 0, 5, 1], [1, 1, 1, 0, 0]]
    assert found.tolist() == expected


def test_attribute_scale() -> None:
    scale = AttributeScale({"pose": (-60, 60), "age": (18, 80)})
    rows = [{"age": 18.0, "pose": 0.0}, {"age": 49.0, "pose": 60.0, "hue": 3.0}]
    assert scale(rows).tolist() == [[0, -1], [1, 0]]
    with pytest.raises(FaceGeomError, match="needs a value of pose"):
        scale([{"age": 20.0}])


def test_latents_come_out_with_unit_size() -> None:
    latents = torch.randn(50, 4, 6, 6) * torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1) + 7
    scale = LatentScale.of(latents)
    flow = scale.to_flow(latents)
    torch.testing.assert_close(flow.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(flow.std((0, 2, 3)), torch.ones(4))
    torch.testing.assert_close(scale.to_decoder(flow), latents)


def test_batches_follow_from_seed_and_epoch() -> None:
    batches = EpochBatches(10, 4, seed=1)
    assert len(batches) == 2
    first = list(batches)
    assert first == list(EpochBatches(10, 4, seed=1))
    batches.set_epoch(1)
    assert list(batches) != first
    parts = [list(EpochBatches(10, 2, seed=1, replicas=2, rank=rank)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == first
    with pytest.raises(FaceGeomError, match="3 images do not fill one batch of 4"):
        EpochBatches(3, 4)
