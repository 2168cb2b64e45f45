from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.lfw import best_threshold, lfw_accuracy
from tests.geometry.test_verification import scored


@pytest.mark.parametrize("levels", [None, 3])
def test_no_threshold_does_better(levels) -> None:
    for seed in range(5):
        scores, same = scored(seed, 100, levels=levels)

        def accuracy(threshold: float) -> float:
            return float(((scores >= threshold) == same).double().mean())  # noqa: B023

        best = accuracy(best_threshold(scores, same))
        assert best == max(accuracy(t) for t in [*scores.tolist(), float(scores.max()) + 1])


def test_ten_consecutive_folds() -> None:
    scores, same = scored(0, 600, gap=2)
    result = lfw_accuracy(scores, same)
    assert len(result.folds) == 10
    for fold in (0, 9):
        held_out = torch.zeros(600, dtype=torch.bool)
        held_out[60 * fold : 60 * (fold + 1)] = True
        threshold = best_threshold(scores[~held_out], same[~held_out])
        expected = ((scores[held_out] >= threshold) == same[held_out]).double().mean()
        assert result.folds[fold] == pytest.approx(float(expected))
    assert result.mean == pytest.approx(sum(result.folds) / 10)
    spread = sum((fold - result.mean) ** 2 for fold in result.folds) / 10
    assert result.std == pytest.approx(spread**0.5)


def test_perfect_scores() -> None:
    same = torch.arange(100) % 2 == 0
    assert lfw_accuracy(same.float(), same).mean == 1.0


def test_fewer_pairs_than_folds() -> None:
    with pytest.raises(FaceGeomError, match=r"number of pairs \(4\)"):
        lfw_accuracy(torch.rand(4), torch.tensor([1, 0, 1, 0]))


def test_folds_of_a_protocol_in_any_order() -> None:
    scores, same = scored(0, 600, gap=2)
    folds = torch.arange(600) // 60
    order = torch.randperm(600, generator=torch.Generator().manual_seed(0))
    expected = lfw_accuracy(scores, same)
    found = lfw_accuracy(scores[order], same[order], folds[order] + 5)
    assert found.folds == pytest.approx(expected.folds)
    with pytest.raises(FaceGeomError, match="600 values of 1 folds"):
        lfw_accuracy(scores, same, torch.zeros(600))
