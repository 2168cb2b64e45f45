from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.linear_probe import balanced_accuracy, train_probe
from facegeom_lit.geometry.points import Distance


def templates(shift: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Templates (300, 6), and an uneven attribute that they show."""
    g = np.random.default_rng(0)
    points = g.normal(size=(300, 6)) + shift
    return torch.from_numpy(points), torch.from_numpy(points[:, 0] - shift > 1)


@pytest.mark.parametrize(("distance", "shift"), [("cosine", 0.3), ("euclidean", 5.0)])
def test_a_probe_reads_as_sklearns_does(distance: Distance, shift: float) -> None:
    points, positive = templates(shift)
    probe = train_probe(points[:200], positive[:200], distance=distance)
    x = points.numpy()
    x = x / np.linalg.norm(x, axis=1, keepdims=True) if distance == "cosine" else x - x.mean(0)
    model = LogisticRegression(class_weight="balanced").fit(x[:200], positive[:200].numpy())
    read = probe(points[200:])
    agree = (read.numpy() == model.predict(x[200:])).mean()
    assert agree >= 0.99  # the centre is of other rows, which moves the optimum by its tolerance
    if distance == "cosine":
        assert agree == 1
        assert torch.equal(probe(3 * points[200:]), read)
        assert probe(torch.zeros(1, 6)).item() == (probe.bias > 0)
    found = balanced_accuracy(read, positive[200:], torch.arange(100) // 5, resamples=200)
    expected = balanced_accuracy_score(positive[200:].numpy(), read.numpy())
    assert found.value == pytest.approx(expected)
    assert found.low <= found.value <= found.high  # type: ignore[operator]
    assert found.count == 20


def test_what_cannot_be_trained_or_judged_is_said() -> None:
    points, positive = templates()
    with pytest.raises(FaceGeomError, match="needs templates with the attribute"):
        train_probe(points, torch.ones(300, dtype=torch.bool))
    with pytest.raises(FaceGeomError, match="needs a value"):
        train_probe(points, positive[:5])
    people = torch.arange(300)
    assert balanced_accuracy(positive, torch.ones_like(positive), people).value is None
    assert balanced_accuracy(positive, positive, people, resamples=0).low is None
    assert balanced_accuracy(positive, positive, people % 5).low is None
