from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.far_thresholds import far_thresholds
from facegeom_lit.geometry.score_source import AllPairs, ScoredPairs
from facegeom_lit.geometry.streaming_roc import key_scores, order_keys, roc_counts
from facegeom_lit.geometry.verification import pair_scores, score_measures, tar_at_far, verify
from tests.geometry.test_verification import scored

FARS = (0.5, 0.1, 0.03, 1e-3)


def faces(rows: int = 300, people: int = 40, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Embeddings of people of very different numbers of images, in no order."""
    g = torch.Generator().manual_seed(seed)
    labels = (people * torch.rand(rows, generator=g) ** 2).long()
    centres = torch.randn(people, 12, generator=g)
    return centres[labels] + 0.8 * torch.randn(rows, 12, generator=g) + 0.3, labels


@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("gap", [-8.0, -1.0, 0.0, 1.0, 3.0, 12.0])
def test_listed_pairs_give_the_measures_of_sorted_scores(levels, gap) -> None:
    for seed in range(8):
        scores, same = scored(seed, 120, gap, levels)
        pairs = ScoredPairs(scores, same)
        counts = roc_counts(pairs)
        assert counts.measures(FARS) == pytest.approx(score_measures(scores, same, FARS), abs=1e-12)
        impostor = scores[~same].sort(descending=True).values
        for far, threshold in far_thresholds(pairs, counts, FARS).items():
            admitted = int(far * len(impostor) + 1e-9)
            assert threshold == (float(impostor[admitted]) if admitted else None)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_all_pairs_give_the_measures_of_verify(distance) -> None:
    embeddings, labels = faces()
    pairs = AllPairs(embeddings, labels, distance, tile=64)
    found = roc_counts(pairs).measures(FARS)
    assert found == pytest.approx(verify(embeddings, labels, distance=distance, fars=FARS))
    scores, same = pair_scores(embeddings, labels, distance)
    genuine = torch.cat(list(pairs.genuine())).sort().values
    torch.testing.assert_close(genuine, scores[same].sort().values, rtol=0, atol=1e-6)
    assert pairs.genuine_count == int(same.sum())
    assert pairs.impostor_count == int((~same).sum())


@pytest.mark.parametrize("levels", [None, 8])
def test_agrees_with_scikit_learn(levels) -> None:
    embeddings, labels = faces(500)
    scores, same = pair_scores(embeddings, labels)
    if levels is not None:
        scores = (scores * levels).round() / levels
    counts = roc_counts(ScoredPairs(scores, same))
    assert counts.auc() == pytest.approx(roc_auc_score(same, scores), abs=1e-12)
    fpr, tpr, _ = roc_curve(same.numpy(), scores.numpy(), drop_intermediate=False)
    for far in (0.4, 0.1, 0.037, 1e-3):
        expected = np.interp(far, fpr, tpr)
        assert counts.tar(far, "linear") == pytest.approx(expected, abs=1e-12)
        assert counts.tar(far) == pytest.approx(float(tpr[fpr <= far + 1e-15].max()), abs=1e-12)
    grid = np.geomspace(1e-3, 0.9, 40)
    expected = [tar_at_far(scores, same, [far])[far] for far in grid]
    np.testing.assert_allclose(counts.curve(grid), expected, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 200), st.integers(0, 1000), st.sampled_from([1, 3, 17]), st.integers(1, 50))
def test_the_tile_does_not_matter(tile: int, seed: int, dimension: int, people: int) -> None:
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(people + 1, (60,), generator=g)
    labels[:3] = torch.tensor([0, 0, 1])
    # Few different values, so that many pairs score equally.
    embeddings = torch.randint(-2, 3, (60, dimension), generator=g).float() + 0.25
    whole, parts = (roc_counts(AllPairs(embeddings, labels, tile=t)) for t in (4096, tile))
    assert parts.measures(FARS) == pytest.approx(whole.measures(FARS), abs=1e-12)
    pairs = AllPairs(embeddings, labels, tile=tile)
    assert far_thresholds(pairs, parts, FARS) == far_thresholds(
        AllPairs(embeddings, labels), whole, FARS
    )


def test_a_collapsed_model_tells_nobody_apart() -> None:
    counts = roc_counts(AllPairs(torch.ones(20, 4), torch.arange(20) // 2))
    assert counts.measures([0.1]) == {
        "auc": 0.5,
        "eer": 0.5,
        "tar@1e-1": 0.0,
        "genuine": 10,
        "impostor": 180,
    }
    assert counts.tar(0.1, "linear") == pytest.approx(0.1)


def test_many_genuine_pairs_are_rounded() -> None:
    embeddings, labels = faces()
    exact = roc_counts(AllPairs(embeddings, labels))
    rounded = roc_counts(AllPairs(embeddings, labels, tile=50), limit=200)
    assert exact.rounding == 0
    assert rounded.rounding == 2**-20
    assert rounded.genuines == exact.genuines
    assert rounded.genuine.sum() == exact.genuines
    assert rounded.measures(FARS) == pytest.approx(exact.measures(FARS), abs=2e-3)
    pairs = AllPairs(embeddings, labels)
    for far, threshold in far_thresholds(pairs, rounded, [0.1, 0.01]).items():
        assert threshold == pytest.approx(far_thresholds(pairs, exact, [far])[far], abs=2**-20)


@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1))
def test_keys_are_in_the_order_of_scores(values) -> None:
    scores = np.array(values, np.float32) + np.float32(0)
    keys = order_keys(scores)
    np.testing.assert_array_equal(key_scores(keys), scores)
    order = np.argsort(scores, kind="stable")
    assert (np.diff(keys[order].astype(np.int64)) >= 0).all()


def test_bad_input_is_named() -> None:
    scores, same = scored(0)
    with pytest.raises(FaceGeomError, match="got 0 and 3"):
        roc_counts(AllPairs(torch.eye(3), torch.arange(3)))
    with pytest.raises(FaceGeomError, match="NaN or infinity in 1 of"):
        ScoredPairs(scores.index_fill(0, torch.tensor([3]), torch.nan), same)
    with pytest.raises(FaceGeomError, match="one length"):
        ScoredPairs(scores, same[1:])
    with pytest.raises(FaceGeomError, match="1 of 2 pairs are marked genuine though"):
        ScoredPairs(torch.rand(2), torch.tensor([True, False]), torch.tensor([[0, 1], [0, 1]]))
    counts = roc_counts(ScoredPairs(scores, same))
    with pytest.raises(FaceGeomError, match="between 0 and 1"):
        counts.tar(1.0)
    with pytest.raises(FaceGeomError, match="`interpolation` must be one of"):
        counts.tar(0.1, "cubic")
