from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.verification import (
    auc,
    eer,
    pair_scores,
    score_measures,
    tar_at_far,
    verify,
)
from tests.reference import verification as reference


def scored(
    seed: int, pairs: int = 400, gap: float = 1.0, levels: int | None = None
) -> tuple[Tensor, Tensor]:
    """Scores of about one genuine pair in five; with `levels`, rounded so that many are equal."""
    g = torch.Generator().manual_seed(seed)
    same = torch.rand(pairs, generator=g) < 0.2
    scores = torch.randn(pairs, generator=g) + gap * same
    return (scores if levels is None else (scores * levels).round() / levels), same


@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("gap", [-8.0, -1.0, 0.0, 1.0, 3.0, 12.0])
def test_agrees_with_the_slow_reference(levels, gap) -> None:
    for seed in range(8):
        scores, same = scored(seed, 120, gap, levels)
        genuine, impostor = scores[same].double().numpy(), scores[~same].double().numpy()
        assert auc(scores, same) == pytest.approx(reference.auc(genuine, impostor), abs=1e-12)
        assert eer(scores, same) == pytest.approx(reference.eer(genuine, impostor), abs=1e-12)
        for far, measured in tar_at_far(scores, same, [0.5, 0.1, 0.03]).items():
            assert measured == pytest.approx(reference.tar(genuine, impostor, far), abs=1e-12)


def test_auc_agrees_with_scikit_learn() -> None:
    scores, same = scored(0, 5000, levels=20)
    expected = roc_auc_score(same.numpy(), scores.numpy())
    assert auc(scores, same) == pytest.approx(expected, abs=1e-12)


def test_known_answers() -> None:
    perfect = torch.tensor([0.9, 0.8, 0.2, 0.1]), torch.tensor([True, True, False, False])
    assert (auc(*perfect), eer(*perfect)) == (1.0, 0.0)
    assert tar_at_far(*perfect, [0.5]) == {0.5: 1.0}
    backwards = -perfect[0], perfect[1]
    assert (auc(*backwards), eer(*backwards)) == (0.0, 1.0)
    constant = torch.zeros(4), perfect[1]
    assert (auc(*constant), eer(*constant)) == (0.5, 0.5)
    assert tar_at_far(*constant, [0.5]) == {0.5: 0.0}


def test_no_rate_below_one_impostor() -> None:
    scores, same = scored(0)
    impostors = int((~same).sum())
    rates = tar_at_far(scores, same, [1.001 / impostors, 0.999 / impostors])
    assert [rate is None for rate in rates.values()] == [False, True]


def test_the_far_in_effect_never_exceeds_the_one_asked_for() -> None:
    scores, same = scored(1, 100, levels=3)
    for far in (0.07, 0.29, 0.3):
        genuine, impostor = scores[same], scores[~same]
        rate = tar_at_far(scores, same, [far])[far]
        thresholds = [t for t in impostor if (impostor > t).double().mean() <= far]
        assert rate == pytest.approx(max(float((genuine > t).double().mean()) for t in thresholds))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("count", [2, 30, 1100])
def test_pair_scores_are_all_pairs(distance, count) -> None:
    g = torch.Generator().manual_seed(0)
    embeddings = torch.randn(count, 8, generator=g)
    labels = torch.randint(0, 5, (count,), generator=g)
    scores, same = pair_scores(embeddings, labels, distance)
    first, second = np.triu_indices(count, k=1)
    x = embeddings.double()
    if distance == "cosine":
        x = x / x.norm(dim=1, keepdim=True)
        expected = (x[first] * x[second]).sum(1)
    else:
        expected = -(x[first] - x[second]).norm(dim=1)
    order = sorted if count < 100 else lambda values: np.sort(np.asarray(values))
    np.testing.assert_allclose(order(scores), order(expected), atol=1e-6)
    assert int(same.sum()) == int((labels[first] == labels[second]).sum())
    np.testing.assert_allclose(
        np.sort(scores[same]), np.sort(expected[labels[first] == labels[second]]), atol=1e-6
    )


def test_verify_names_and_counts() -> None:
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(40).repeat_interleave(5)
    people = torch.randn(40, 16, generator=g)[labels]
    measures = verify(people + 0.5 * torch.randn(200, 16, generator=g), labels, fars=[1e-2, 1e-9])
    assert list(measures) == ["auc", "eer", "tar@1e-2", "tar@1e-9", "genuine", "impostor"]
    assert measures["genuine"] == 40 * 10
    assert measures["impostor"] == 200 * 199 / 2 - 400
    assert measures["auc"] > 0.95
    assert measures["tar@1e-9"] is None


@pytest.mark.parametrize(
    ("scores", "same", "message"),
    [
        ([1.0, 2.0], [True], "one length"),
        ([1.0, math.nan], [True, False], "1 of 2 pairs"),
        ([1.0, 2.0], [True, True], "got 2 and 0"),
        ([1.0, 2.0], [False, False], "got 0 and 2"),
    ],
)
def test_bad_input_is_named(scores, same, message) -> None:
    with pytest.raises(FaceGeomError, match=message):
        score_measures(torch.tensor(scores), torch.tensor(same))


def test_bad_labels_and_rates() -> None:
    with pytest.raises(FaceGeomError, match="each of the 3 embeddings"):
        verify(torch.eye(3), torch.zeros(2))
    with pytest.raises(FaceGeomError, match="between 0 and 1"):
        tar_at_far(*scored(0), fars=[1.0])


def test_real_figures(real_data) -> None:
    """The table of `real/README.md` for one model on the CelebA subset."""
    table = np.load(real_data / "embeddings" / "celeba_subset.npz", allow_pickle=False)
    clear = np.flatnonzero(table["second_face_area_ratio"] <= 0.3)
    embeddings = torch.from_numpy(table["mobilefacenet_y1"][clear]).float()
    measures = verify(embeddings, torch.from_numpy(table["identity"][clear]))
    assert measures["auc"] == pytest.approx(0.978, abs=5e-4)
    assert measures["tar@1e-2"] == pytest.approx(0.919, abs=1e-3)
