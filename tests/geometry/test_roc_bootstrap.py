from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry import roc_bootstrap
from facegeom_lit.geometry.roc_bootstrap import (
    draw_groups,
    group_clusters,
    roc_intervals,
    share_interval,
)
from facegeom_lit.geometry.score_source import AllPairs, ScoredPairs
from facegeom_lit.geometry.streaming_roc import roc_counts
from facegeom_lit.geometry.verification import pair_scores, score_measures
from tests.geometry.test_identity_bootstrap import people

CURVE = np.geomspace(1e-3, 0.9, 12)


def intervals(embeddings: Tensor, labels: Tensor, **choices):
    pairs = AllPairs(embeddings, labels, tile=choices.pop("tile", 2048))
    return roc_intervals(pairs, roc_counts(pairs), fars=[0.1], curve=CURVE, **choices)


def test_agrees_with_resampled_pairs() -> None:
    """The same draws, with every pair repeated w_i·w_j times and measured exactly."""
    embeddings, labels = people(1.2, 12, 5)
    draws = 60
    found = intervals(embeddings, labels, resamples=draws)
    groups = group_clusters(12, seed=0)
    rows, columns = torch.triu_indices(len(labels), len(labels), offset=1)
    scores, same = pair_scores(embeddings, labels)
    differing: dict[str, list[float]] = {"auc": [], "eer": [], "tar@1e-1": []}
    for weight in draw_groups(12, draws, seed=0)[:, groups].long():
        left, right = weight[labels[rows]], weight[labels[columns]]
        times = torch.where(same, left, left * right)
        exact = score_measures(
            scores.repeat_interleave(times), same.repeat_interleave(times), [0.1]
        )
        for name, values in differing.items():
            values.append(exact[name])
    for name, values in differing.items():
        ends = torch.tensor(values).quantile(torch.tensor([0.025, 0.975])).tolist()
        assert found.measures[name].low == pytest.approx(ends[0], abs=0.01)
        assert found.measures[name].high == pytest.approx(ends[1], abs=0.01)
    counts = roc_counts(AllPairs(embeddings, labels))
    assert (found.low <= counts.curve(CURVE)).all()
    assert (found.high >= counts.curve(CURVE)).all()


def test_neither_tile_nor_order_of_rows_matter() -> None:
    embeddings, labels = people(1.0)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    first, second = (
        intervals(embeddings, labels),
        intervals(embeddings[order], labels[order], tile=7),
    )
    for name, interval in first.measures.items():
        other = second.measures[name]
        assert (interval.low, interval.high) == pytest.approx((other.low, other.high), abs=1e-6)
    assert intervals(embeddings, labels).measures == first.measures  # the seed decides
    assert intervals(embeddings, labels, seed=1).measures != first.measures


def test_listed_pairs_of_known_people_give_the_intervals_of_all_pairs() -> None:
    embeddings, labels = people(1.0)
    scores, same = pair_scores(embeddings, labels)
    both = labels[torch.triu_indices(len(labels), len(labels), offset=1)].T
    pairs = ScoredPairs(scores, same, both)
    listed = roc_intervals(pairs, roc_counts(pairs), fars=[0.1], curve=CURVE)
    for name, interval in intervals(embeddings, labels).measures.items():
        assert listed.measures[name].low == pytest.approx(interval.low, abs=1e-6)
        assert listed.measures[name].high == pytest.approx(interval.high, abs=1e-6)


def test_many_people_are_drawn_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings, labels = people(1.2, identities=80, images=4)
    alone = intervals(embeddings, labels)
    monkeypatch.setattr(roc_bootstrap, "GROUPS", 32)
    grouped = intervals(embeddings, labels)
    assert (alone.groups, grouped.groups) == (80, 32)
    for name, interval in alone.measures.items():
        width = interval.high - interval.low
        other = grouped.measures[name].high - grouped.measures[name].low
        assert other == pytest.approx(width, rel=0.4)


def test_pairs_without_names_are_drawn_by_themselves() -> None:
    g = torch.Generator().manual_seed(0)
    same = torch.arange(600) < 300
    pairs = ScoredPairs(torch.randn(600, generator=g) + 2 * same, same)
    found = roc_intervals(pairs, roc_counts(pairs), fars=[0.1, 1e-3], curve=CURVE)
    assert list(found.measures) == ["auc", "eer", "tar@1e-1"]  # 1e-3 is out of reach
    for interval in found.measures.values():
        assert interval.low < interval.value < interval.high
    auc = found.measures["auc"]
    # Hanley & McNeil (Radiology 1982): the standard error of an AUC of 0.92 on 300 + 300 is 0.011.
    assert auc.high - auc.low == pytest.approx(3.92 * 0.011, rel=0.25)


def test_share_interval() -> None:
    clusters = torch.arange(200) // 4
    hits = torch.arange(200) % 4 < 3
    same_for_all = share_interval(hits, clusters)
    assert (same_for_all.value, same_for_all.low, same_for_all.high) == (0.75, 0.75, 0.75)
    whole_people = share_interval(clusters < 25, clusters)
    # 50 people, half of them found: a standard error of √(¼ / 50).
    assert whole_people.high - whole_people.low == pytest.approx(3.92 * 0.0707, rel=0.15)
    assert share_interval(hits[:8], clusters[:8]).low is None
    assert share_interval(hits, clusters, resamples=0).low is None


def test_few_people_have_no_interval() -> None:
    embeddings, labels = people(1.0, identities=5)
    assert intervals(embeddings, labels) is None
    with pytest.raises(FaceGeomError, match="level"):
        intervals(*people(1.0), level=2.0)


@pytest.mark.slow
def test_intervals_cover_the_truth() -> None:
    """The interval of the AUC holds that of the population about 95 times in 100."""
    populations = [people(1.2, 400, 4, seed) for seed in range(5, 13)]
    truth = sum(roc_counts(AllPairs(*population)).auc() for population in populations) / 8
    covered = 0
    for seed in range(60):
        embeddings, labels = people(1.2, 40, 4, seed=100 + seed)
        interval = intervals(embeddings, labels, resamples=300).measures["auc"]
        covered += interval.low <= truth <= interval.high
    assert covered >= 51
