from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.metrics.pairwise import cosine_distances, cosine_similarity
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.synthesis_quality import (
    curve_cosine,
    following,
    identity_consistency,
    leakage_matrix,
    nearest_training,
    variety,
)


def people(count: int = 12, images: int = 4, noise: float = 0.6) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(count).repeat_interleave(images)
    labels = labels[torch.randperm(len(labels), generator=g)]
    centres = torch.randn(count, 16, generator=g)
    return centres[labels] + noise * torch.randn(len(labels), 16, generator=g), labels


def test_following_agrees_with_scikit_learn_and_scipy() -> None:
    g = torch.Generator().manual_seed(0)
    requested = torch.randn(200, generator=g)
    measured = 0.8 * requested + 0.3 * torch.randn(200, generator=g) + 0.1
    found = following(requested, measured)
    assert found.r2 == pytest.approx(r2_score(requested, measured), abs=1e-6)
    assert found.correlation == pytest.approx(pearsonr(requested, measured)[0], abs=1e-6)
    assert found.monotone_share is None


def test_monotone_share() -> None:
    requested = torch.arange(12).float()
    measured = torch.tensor([0.0, 1, 2, 0, 2, 1, 3, 2, 1, 5, 5, 6])
    curves = torch.arange(12).view(4, 3)
    assert following(requested, measured, curves).monotone_share == 0.25


def test_nothing_measured_follows_nothing() -> None:
    found = following(torch.tensor([1.0, 2.0]), torch.tensor([1.5, 1.5]))
    assert (found.r2, found.correlation) == (0.0, None)


@pytest.mark.parametrize(
    ("requested", "measured", "message"),
    [
        ([1.0], [1.0, 2.0], "one length"),
        ([1.0, 2.0], [1.0, math.nan], "NaN"),
        ([1.0, 1.0], [1.0, 2.0], "equal"),
    ],
)
def test_following_names_bad_input(requested, measured, message) -> None:
    with pytest.raises(FaceGeomError, match=message):
        following(torch.tensor(requested), torch.tensor(measured))


def test_leakage() -> None:
    # two curves of each of two attributes: the first drags half a step of the second along
    changes = torch.tensor([[[2.0, 1.0], [2.0, 1.0]], [[0.4, 2.0], [-0.4, 2.0]]])
    signed = torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(leakage_matrix(changes), signed)
    assert leakage_matrix(changes, signed=False)[1, 0] == pytest.approx(0.2)
    for bad in (torch.zeros(2, 2), torch.zeros(2, 0, 2)):
        with pytest.raises(FaceGeomError, match="at least one curve"):
            leakage_matrix(bad)


def test_identity_consistency_is_the_auc_with_an_interval() -> None:
    embeddings, labels = people(noise=1.2)
    first, second = np.triu_indices(len(labels), 1)
    scores = cosine_similarity(embeddings)[first, second]
    same = (labels[first] == labels[second]).numpy()
    found = identity_consistency(embeddings, labels, resamples=200)
    assert found.value == pytest.approx(roc_auc_score(same, scores), abs=1e-6)
    assert found.low < found.value < found.high <= 1
    assert found.high - found.low < 0.2
    assert found.count == 12
    # a plain bootstrap over people, scored by scikit-learn
    generator, sampled = np.random.default_rng(0), []
    own = np.stack([labels[first].numpy(), labels[second].numpy()])
    for _ in range(300):
        drawn = np.bincount(generator.integers(12, size=12), minlength=12)
        weights = np.where(same, drawn[own[0]], drawn[own[0]] * drawn[own[1]])
        sampled.append(roc_auc_score(same, scores, sample_weight=weights))
    low, high = np.percentile(sampled, [2.5, 97.5])
    assert found.low == pytest.approx(low, abs=0.02)
    assert found.high == pytest.approx(high, abs=0.02)


def test_perfect_identities() -> None:
    labels = torch.tensor([5, 5, 9, 9, 7, 7])
    found = identity_consistency(torch.eye(10)[labels], labels, resamples=50)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_curve_cosine() -> None:
    angle = torch.tensor([0.0, 0.3, 0.5])
    embeddings = torch.stack([angle.cos(), angle.sin()], dim=1) * torch.tensor([[1.0], [5], [2]])
    found = curve_cosine(embeddings, torch.tensor([[0, 1, 2], [2, 1, 0], [1, 0, 2]]))
    assert found.tolist() == pytest.approx([math.cos(0.3), math.cos(0.3), math.cos(0.5)])


def test_variety_is_the_mean_over_pairs() -> None:
    embeddings, labels = people()
    labels[labels == 0] = torch.tensor([20, 21, 22, 0])  # people with a single image
    distances, who = cosine_distances(embeddings), labels.numpy()
    within = []
    for label in np.unique(who):
        rows = np.flatnonzero(who == label)
        if len(rows) > 1:
            within.append(distances[np.ix_(rows, rows)][np.triu_indices(len(rows), 1)].mean())
    found = variety(embeddings, labels)
    assert found.within == pytest.approx(np.mean(within), abs=1e-6)
    assert found.between == pytest.approx(distances[who[:, None] != who].mean(), abs=1e-6)
    with pytest.raises(FaceGeomError, match="got 1 people"):
        variety(embeddings, torch.zeros(len(labels)))


def test_nearest_training_finds_copies() -> None:
    embeddings, _ = people()
    training = torch.cat([people(noise=0.9)[0], 3 * embeddings[:5]])
    found = nearest_training(embeddings, training)
    expected = cosine_similarity(embeddings, training).max(1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[:5].tolist() == pytest.approx([1.0] * 5)
    assert float(found[5:].max()) < 0.9999
