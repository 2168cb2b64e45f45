from __future__ import annotations

import pytest
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.identity_bootstrap import paired_identity_bootstrap
from facegeom_lit.geometry.verification import pair_scores, score_measures, verify


def people(
    noise: float, identities: int = 30, images: int = 6, seed: int = 0
) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(identities).repeat_interleave(images)
    centres = torch.randn(identities, 16, generator=g)[labels]
    embeddings = centres + noise * torch.randn(len(labels), 16, generator=g)
    order = torch.randperm(len(labels), generator=g)
    return embeddings[order], labels[order]


def test_the_value_is_the_exact_difference_and_lies_inside() -> None:
    (worse, labels), (better, _) = people(1.2), people(0.8)
    intervals = paired_identity_bootstrap(worse, better, labels, fars=[0.1, 0.01, 1e-7])
    assert list(intervals) == ["auc", "eer", "tar@1e-1", "tar@1e-2"]  # 1e-7 is out of reach
    before, after = (verify(e, labels, fars=[0.1, 0.01]) for e in (worse, better))
    for name, interval in intervals.items():
        assert interval.value == after[name] - before[name]
        assert interval.low < interval.value < interval.high
        assert interval.count == 30
    assert intervals["auc"].low > 0
    assert intervals["eer"].high < 0


def test_a_model_does_not_differ_from_itself() -> None:
    embeddings, labels = people(1.0)
    for interval in paired_identity_bootstrap(embeddings, 3 * embeddings, labels).values():
        assert interval.value == pytest.approx(0, abs=1e-4)
        assert interval.low == pytest.approx(0, abs=1e-2)
        assert interval.high == pytest.approx(0, abs=1e-2)


def test_binned_resampling_agrees_with_resampled_pairs() -> None:
    """The same draws, with every pair repeated w_i·w_j times and measured exactly."""
    (first, labels), (second, _) = people(1.2, 12, 5), people(0.9, 12, 5)
    draws = 40
    measured = paired_identity_bootstrap(first, second, labels, fars=[0.1], resamples=draws)
    g = torch.Generator().manual_seed(0)
    differences: dict[str, list[float]] = {"auc": [], "eer": [], "tar@1e-1": []}
    rows, columns = torch.triu_indices(len(labels), len(labels), offset=1)
    scores = [pair_scores(e, labels)[0] for e in (first, second)]
    # `pair_scores` goes through the upper triangle row by row, as these indexes do.
    same = labels[rows] == labels[columns]
    for drawn in torch.randint(12, (draws, 12), generator=g):
        weight = torch.bincount(drawn, minlength=12)
        times = torch.where(
            same, weight[labels[rows]], weight[labels[rows]] * weight[labels[columns]]
        )
        exact = [
            score_measures(s.repeat_interleave(times), same.repeat_interleave(times), [0.1])
            for s in scores
        ]
        for name, values in differences.items():
            values.append(exact[1][name] - exact[0][name])
    for name, values in differences.items():
        ends = torch.tensor(values).quantile(torch.tensor([0.025, 0.975])).tolist()
        assert measured[name].low == pytest.approx(ends[0], abs=0.01)
        assert measured[name].high == pytest.approx(ends[1], abs=0.01)


@pytest.mark.slow
def test_intervals_cover_the_truth() -> None:
    """Two equally good models: the interval of the AUC difference holds 0 about 95 times in 100."""
    covered = 0
    for seed in range(60):
        (first, one), (second, other) = (people(1.2, 40, 4, s) for s in (seed, 1000 + seed))
        interval = paired_identity_bootstrap(
            first[one.argsort()], second[other.argsort()], one.sort().values, fars=[], resamples=300
        )["auc"]
        covered += interval.low <= 0 <= interval.high
    assert covered >= 51


def test_bad_input_is_named() -> None:
    embeddings, labels = people(1.0)
    with pytest.raises(FaceGeomError, match="same images, got 180 and 179"):
        paired_identity_bootstrap(embeddings, embeddings[1:], labels)
    with pytest.raises(FaceGeomError, match="level"):
        paired_identity_bootstrap(embeddings, embeddings, labels, level=95)
