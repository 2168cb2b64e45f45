from __future__ import annotations

import numpy as np
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.score_moments import ScoreMoments, score_moments


def test_moments_are_those_of_all_scores() -> None:
    g = np.random.default_rng(0)
    own = g.integers(0, 7, size=40)
    probes = [g.normal(size=(40, d)) + offset for d, offset in ((3, 0), (5, 100), (2, 0))]
    gallery = [g.normal(size=(7, d)) + offset for d, offset in ((3, 0), (5, 100), (2, 0))]
    scores = np.stack(
        [-((p[:, None] - q) ** 2).sum(-1) for p, q in zip(probes, gallery, strict=True)], axis=-1
    )
    same = own[:, None] == np.arange(7)
    found = score_moments(
        [torch.from_numpy(p) for p in probes],
        [torch.from_numpy(q) for q in gallery],
        torch.from_numpy(own),
    )
    for mean, covariance, kind in (
        (found.genuine_mean, found.genuine_covariance, scores[same]),
        (found.impostor_mean, found.impostor_covariance, scores[~same]),
    ):
        np.testing.assert_allclose(mean, kind.mean(0))
        np.testing.assert_allclose(covariance, np.cov(kind.T, bias=True), rtol=1e-9)
    np.testing.assert_allclose(found.spread, scores[~same].std(0))


def test_weights_are_fishers_and_never_negative() -> None:
    covariance = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]]).double()
    gap = torch.tensor([2.0, 1.5, 0.0]).double()
    zero = torch.zeros(3, dtype=torch.float64)
    weights = ScoreMoments(gap, covariance, zero, covariance).discriminant()
    expected = np.linalg.solve(covariance[:2, :2].numpy(), gap[:2].numpy())
    np.testing.assert_allclose(weights, [*expected, 0.0], atol=1e-12)  # a constant model has none
    unequal = torch.tensor([2.0, 0.1, 0.0]).double()
    weights = ScoreMoments(unequal, covariance, zero, covariance).discriminant()
    assert weights[0] > 0
    assert weights[1] == 0
    # Two models that are the same share what one of them would have.
    twice = torch.ones(2, 2, dtype=torch.float64)
    same = ScoreMoments(torch.ones(2).double(), twice, torch.zeros(2).double(), twice)
    np.testing.assert_allclose(same.discriminant(), [0.5, 0.5])


def test_one_person_has_no_impostors() -> None:
    with pytest.raises(FaceGeomError, match="two people in the gallery"):
        score_moments([torch.ones(3, 2)], [torch.ones(1, 2)], torch.zeros(3, dtype=torch.long))
