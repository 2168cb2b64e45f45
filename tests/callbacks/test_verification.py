from __future__ import annotations

from pathlib import Path

import pytest
import torch
from callbacks.known import IMAGES, PEOPLE, KnownEmbeddings
from sklearn.metrics import roc_auc_score
from torch import Tensor

from facegeom_lit.callbacks.verification import Verification
from facegeom_lit.training.sources import RunData


def test_auc_agrees_with_scikit_learn(data: RunData, embeddings: Tensor) -> None:
    callback = Verification()
    callback.connect(data, {}, Path())
    noisy = embeddings + 2 * torch.randn(
        embeddings.shape, generator=torch.Generator().manual_seed(0)
    )
    found = callback.measure(KnownEmbeddings({"judge": noisy}))  # type: ignore[arg-type]
    points = torch.nn.functional.normalize(noisy.double(), dim=1)
    first, second = torch.triu_indices(len(points), len(points), 1)
    labels = torch.arange(PEOPLE).repeat_interleave(IMAGES)
    slow = roc_auc_score(labels[first] == labels[second], (points[first] * points[second]).sum(1))
    assert found.metrics["val/verify/judge/auc"] == pytest.approx(slow, abs=1e-6)
    change = callback.differences(found, found)
    assert change["val/verify/judge/auc"].value == 0


def test_a_rate_that_the_pairs_cannot_support_is_none_with_a_note(
    data: RunData, embeddings: Tensor
) -> None:
    callback = Verification(fars=(1e-1, 1e-6))
    callback.connect(data, {}, Path())
    found = callback.measure(KnownEmbeddings({"judge": embeddings}))  # type: ignore[arg-type]
    assert found.metrics["val/verify/judge/tar@1e-6"] is None
    assert found.notes == ["judge: 2268 impostor pairs cannot support tar@1e-6"]
