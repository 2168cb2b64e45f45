from __future__ import annotations

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.probes import probe_attribute


def faces(strength: float, people: int = 40) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Embeddings, identities and an attribute that half of the people have."""
    g = torch.Generator().manual_seed(0)
    identity = torch.arange(people).repeat_interleave(6)
    positive = identity % 2 == 1
    centres = torch.randn(people, 32, generator=g)[identity]
    noise = 0.3 * torch.randn(len(identity), 32, generator=g)
    axis = torch.zeros(32)
    axis[0] = strength
    return centres + noise + torch.where(positive, 1.0, -1.0)[:, None] * axis, identity, positive


def test_equals_cross_validation_by_scikit_learn() -> None:
    embeddings, identity, positive = faces(1.0)
    points = torch.nn.functional.normalize(embeddings.double(), dim=1).numpy()
    read = cross_val_predict(
        LogisticRegression(max_iter=1000),
        points,
        positive.numpy(),
        groups=identity.numpy(),
        cv=StratifiedGroupKFold(5, shuffle=True, random_state=0),
    )
    found = probe_attribute(embeddings, identity, positive)
    assert found is not None
    assert found.accuracy.value == pytest.approx((read == positive.numpy()).mean())
    expected = balanced_accuracy_score(positive.numpy(), read)
    assert found.balanced_accuracy.value == pytest.approx(expected)
    assert found.accuracy.low is not None
    assert found.accuracy.high is not None
    assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high  # type: ignore[operator]
    assert found.majority == 0.5


def test_identities_alone_are_read_only_where_people_stand_on_both_sides() -> None:
    # The attribute says nothing but who it is: folds by image let the person give it away.
    embeddings, identity, positive = faces(0.0)
    by_identity = probe_attribute(embeddings, identity, positive, resamples=0)
    by_image = probe_attribute(embeddings, identity, positive, by="image", resamples=0)
    assert by_identity is not None
    assert by_image is not None
    assert by_identity.balanced_accuracy.value < 0.65  # type: ignore[operator]
    assert by_image.balanced_accuracy.value > 0.75  # type: ignore[operator]
    assert by_image.accuracy.low is None
    strong = probe_attribute(*faces(3.0), resamples=0)
    assert strong is not None
    assert strong.accuracy.value > 0.95  # type: ignore[operator]


def test_too_few_people_are_undefined_and_bad_arguments_named() -> None:
    embeddings, identity, _ = faces(1.0)
    assert probe_attribute(embeddings, identity, identity < 4) is None
    with pytest.raises(FaceGeomError, match="`by` must be one of"):
        probe_attribute(embeddings, identity, identity < 20, by="fold")  # type: ignore[arg-type]
    with pytest.raises(FaceGeomError, match="needs an identity and a value"):
        probe_attribute(embeddings, identity[1:], identity < 20)
