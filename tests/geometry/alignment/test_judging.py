from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry import roc_bootstrap
from facegeom_lit.geometry.alignment import gallery_scores, judging
from facegeom_lit.geometry.alignment.affine import fit
from facegeom_lit.geometry.alignment.judging import Judge, difference, recovered
from facegeom_lit.geometry.identification import match_ranks
from facegeom_lit.geometry.open_set import keep_out, tpir_at_fpir
from facegeom_lit.geometry.roc_bootstrap import draw_groups, group_clusters
from tests.reference import similarity as reference
from tests.reference import verification


def spaces(people: int = 12, images: int = 5, noise: float = 1.0, seed: int = 0):
    """Two views of the same people, in an order that mixes them."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(people).repeat_interleave(images)
    labels = labels[torch.randperm(len(labels), generator=g)] * 3 + 1
    centres = torch.randn(3 * people + 1, 8, generator=g)
    x, y = (
        centres[labels] + noise * torch.randn(len(labels), 8, generator=g) + 0.5 for _ in range(2)
    )
    return x, y, labels


def scored(judge: Judge, x: Tensor, y: Tensor, distance: str) -> np.ndarray:
    distances = reference.distances(
        x[judge.probes].double().numpy(), y[judge.gallery].double().numpy(), distance
    )
    return -distances if distance == "euclidean" else 1 - distances


def columns(judge: Judge, labels: Tensor) -> np.ndarray:
    return np.array([int((labels[judge.gallery] == one).nonzero()) for one in labels[judge.probes]])


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_figures_agree_with_references(distance) -> None:
    x, y, labels = spaces(noise=1.3)
    judge = Judge(labels, resamples=0, fars=(0.1, 0.01, 1e-4), fpirs=(0.1, 0.01))
    judged = judge.measure(x, y, distance)
    figures = judged.figures
    ranks = match_ranks(
        y[judge.gallery], labels[judge.gallery], x[judge.probes], labels[judge.probes],
        distance=distance,
    )  # fmt: skip
    assert torch.equal(judged.ranks, ranks)
    assert torch.equal(judge.ranks(x, y, distance), ranks)
    assert figures["rank1"] == pytest.approx(float((ranks <= 1).double().mean()))
    assert figures["rank5"] == pytest.approx(float((ranks <= 5).double().mean()))
    scores = scored(judge, x, y, distance)
    same = np.arange(scores.shape[1]) == columns(judge, labels)[:, None]
    assert figures["auc"] == pytest.approx(roc_auc_score(same.ravel(), scores.ravel()))
    assert figures["eer"] == pytest.approx(verification.eer(scores[same], scores[~same]))
    rates, found, _ = roc_curve(same.ravel(), scores.ravel(), drop_intermediate=False)
    for name, far in (("tar@1e-1", 0.1), ("tar@1e-2", 0.01)):
        assert figures[name] == pytest.approx(verification.tar(scores[same], scores[~same], far))
        assert figures[name] == pytest.approx(found[rates <= far].max())
    assert figures["tar@1e-4"] is None  # of 528 impostor pairs
    enrolled = judge.gallery[~keep_out(labels, 0.5)[judge.gallery]]
    tpirs = tpir_at_fpir(
        y[enrolled], labels[enrolled], x[judge.probes], labels[judge.probes], (0.1, 0.01),
        distance=distance,
    )  # fmt: skip
    assert figures["tpir@1e-1"] == tpirs[0.1]
    assert figures["tpir@1e-2"] is None is tpirs[0.01]  # of 24 non-mated probes
    assert judged.draws == {}
    assert judged.interval("rank1").low is None


def test_draws_agree_with_copies_of_people() -> None:
    """Every pair repeated w_i·w_j times, and measured exactly."""
    x, y, labels = spaces(images=9, noise=1.3)
    resamples = 40
    judge = Judge(labels, resamples=resamples, fars=(0.1,), fpirs=(0.1,))
    judged = judge.measure(x, y, "cosine")
    scores, own = scored(judge, x, y, "cosine"), columns(judge, labels)
    out = keep_out(labels, 0.5)[judge.gallery].numpy()
    drawn = draw_groups(12, resamples, 0)[:, group_clusters(12, 0)].long().numpy()
    names = {"rank1": "rank1", "tpir": "tpir@1e-1", "tar": "tar@1e-1", "eer": "eer", "auc": "auc"}
    exact = [reference.search(scores, own, out, weights, 0.1, 0.1) for weights in drawn]
    for short, name in names.items():
        expected = np.array([draw[short] for draw in exact])
        error = np.abs(judged.draws[name].numpy() - expected)
        # Ranks and the open set are exact; the others are binned, with few genuine pairs in each.
        assert error.max() < {"rank1": 1e-9, "tpir": 1e-9, "tar": 0.03}.get(short, 0.01), short
        ends = np.quantile(expected, [0.025, 0.975])
        interval = judged.interval(name)
        assert (interval.low, interval.high) == pytest.approx(ends, abs=0.01)
        assert interval.value == judged.figures[name]


def test_everything_of_one_judge_is_paired() -> None:
    x, y, labels = spaces()
    judge, again = Judge(labels, resamples=100), Judge(labels, resamples=100)
    native, mapped = judge.measure(y, y, "cosine"), judge.measure(x, y, "cosine")
    for name in native.draws:
        same = difference(mapped, judge.measure(x, y, "cosine"), name)
        assert (same.value, same.low, same.high, same.count) == (0.0, 0.0, 0.0, mapped.people[name])
        assert torch.equal(mapped.draws[name], again.measure(x, y, "cosine").draws[name])
        gap = difference(native, mapped, name)
        assert gap.value == native.figures[name] - mapped.figures[name]
    assert set(native.draws) == {n for n, value in native.figures.items() if value is not None}
    assert native.intervals()["auc"] == native.interval("auc")
    other = Judge(labels, resamples=100, seed=1).measure(x, y, "cosine")
    assert not torch.equal(other.draws["rank1"], mapped.draws["rank1"])
    with pytest.raises(FaceGeomError, match="one judge"):
        difference(mapped, other, "rank1")
    with pytest.raises(FaceGeomError, match="rank7"):
        mapped.interval("rank7")


def test_a_rotated_copy_is_recovered() -> None:
    _, y, labels = spaces(people=40, noise=0.6)
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))[0]
    x = y @ turn + 2
    fitted, judging_people = labels < 60, labels >= 60
    mapping = fit(x[fitted], y[fitted], method="procrustes")
    x, y, labels = x[judging_people], y[judging_people], labels[judging_people]
    judge = Judge(labels, resamples=200)
    aligned, unaligned, native = (
        judge.measure(probes, y, "euclidean") for probes in (mapping(x), x, y)
    )
    assert torch.equal(aligned.ranks, native.ranks)
    for name in ("rank1", "auc", "eer"):
        share = recovered(aligned, unaligned, native, name)
        assert (share.value, share.low, share.high) == pytest.approx((1, 1, 1), abs=1e-6)
        none = recovered(unaligned, unaligned, native, name)
        assert (none.value, none.low, none.high) == (0, 0, 0)
        assert recovered(aligned, native, unaligned, name).value is None
    nothing = recovered(aligned, native, native)
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)


def test_an_uncertain_gap_has_no_ends() -> None:
    x, y, labels = spaces(noise=2.0)
    judge = Judge(labels, resamples=200)
    mapped = judge.measure(x, y, "cosine")
    near = judge.measure(x + 0.05 * y, y, "cosine")
    low, high = sorted((mapped, near), key=lambda judged: judged.figures["auc"])
    gap = high.draws["auc"] - low.draws["auc"]
    noisy = judging.Judged(
        high.figures, {"auc": low.draws["auc"] + gap - gap.median()}, high.people, high.ranks,
        high.level, judge,
    )  # fmt: skip
    share = recovered(mapped, low, noisy, "auc")
    assert share.value is not None
    assert (share.low, share.high) == (None, None)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_tiles_do_not_matter(distance, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, labels = spaces()
    judge = Judge(labels, resamples=50)
    whole = judge.measure(x, y, distance)
    monkeypatch.setattr(gallery_scores, "TILE", 200)
    monkeypatch.setattr(gallery_scores, "HELD", 0)
    tiled = judge.measure(x, y, distance)
    assert tiled.figures == whole.figures
    for name, draws in whole.draws.items():
        torch.testing.assert_close(tiled.draws[name], draws)


def test_many_people_are_drawn_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, labels = spaces(people=60, images=4, noise=1.3)
    alone = Judge(labels).measure(x, y, "cosine")
    for module in (roc_bootstrap, judging):
        monkeypatch.setattr(module, "GROUPS", 24)
    grouped = Judge(labels).measure(x, y, "cosine")
    assert grouped.figures == alone.figures
    for name in ("rank1", "tpir@1e-1", "auc", "tar@1e-1"):
        width, other = (
            judged.interval(name).high - judged.interval(name).low for judged in (alone, grouped)
        )
        assert other == pytest.approx(width, rel=0.5)


def test_a_degenerate_map_finds_nobody() -> None:
    _, y, labels = spaces()
    judge = Judge(labels, resamples=20)
    for probes in (torch.zeros_like(y), torch.ones_like(y)):
        for distance in ("cosine", "euclidean"):
            judged = judge.measure(probes, y, distance)
            values = [value for value in judged.figures.values() if value is not None]
            assert np.isfinite(values).all()
            assert all(draws.isfinite().all() for draws in judged.draws.values())
    nowhere = judge.measure(torch.zeros_like(y), y, "cosine")
    assert (nowhere.ranks == 12).all()
    assert nowhere.figures["auc"] == 0.5
    assert nowhere.figures["rank1"] == nowhere.figures["tpir@1e-1"] == 0
    assert nowhere.figures["tar@1e-1"] == 0
    y[judge.gallery[0]] = 0
    with pytest.raises(FaceGeomError, match="length zero"):
        judge.measure(y, y, "cosine")


def test_people_with_one_image_are_in_the_gallery_only() -> None:
    x, y, labels = spaces(people=4)
    more = torch.arange(100, 108)
    labels = torch.cat([labels, more])
    x, y = (torch.cat([points, points[:8] + 3]) for points in (x, y))
    judge = Judge(labels, resamples=30)
    judged = judge.measure(x, y, "cosine")
    assert len(judge.gallery) == 12
    assert len(judge.probes) == 16
    assert judged.people["rank1"] == 4
    assert judged.interval("rank1").low is None  # four people have probes


def test_an_open_set_without_strangers_has_no_figures() -> None:
    labels = torch.tensor([0, 0, 1])
    points = torch.eye(3)
    judged = Judge(labels, resamples=10).measure(points, points, "cosine")
    assert judged.figures["tpir@1e-1"] is None
    assert "tpir@1e-1" not in judged.draws
    assert judged.interval("tpir@1e-1").value is None
    assert judged.figures["rank1"] == 0.0  # the probe is as near to the other person


@pytest.mark.parametrize(
    ("labels", "options", "match"),
    [
        ([0, 0, 0], {}, "two people"),
        ([0, 1, 2], {}, "two people"),
        ([0, 0, 1], {"ks": (0,)}, "Ranks"),
        ([0, 0, 1], {"fars": (1.0,)}, "rates"),
        ([0, 0, 1], {"level": 95}, "level"),
        ([0, 0, 1], {"resamples": -1}, "resamples"),
        ([0, 0, 1], {"kept_out": 0.0}, "share"),
    ],
)
def test_refuses(labels, options, match) -> None:
    with pytest.raises(FaceGeomError, match=match):
        Judge(torch.tensor(labels), **options)


def test_refuses_wrong_embeddings() -> None:
    x, y, labels = spaces()
    judge = Judge(labels, resamples=0)
    with pytest.raises(FaceGeomError, match="60 judging images"):
        judge.measure(x[1:], y, "cosine")
    with pytest.raises(FaceGeomError, match="8 dimensions"):
        judge.measure(x[:, 1:], y, "cosine")
    x[judge.probes[3], 2] = torch.nan
    with pytest.raises(FaceGeomError, match="`probes` holds NaN"):
        judge.measure(x, y, "cosine")
    with pytest.raises(FaceGeomError, match="distance"):
        judge.measure(y, y, "manhattan")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), scale=st.floats(0.01, 100))
def test_rotations_and_scales_change_nothing(seed, scale) -> None:
    x, y, labels = spaces(seed=seed)
    g = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(8, 8, generator=g, dtype=torch.float64))[0]
    judge = Judge(labels, resamples=0)
    for distance in ("cosine", "euclidean"):
        one = judge.measure(x, y, distance)
        other = judge.measure(scale * x.double() @ turn, scale * y.double() @ turn, distance)
        assert other.figures == pytest.approx(one.figures)


def test_embeddings_that_carry_gradients() -> None:
    x, y, labels = spaces()
    judge = Judge(labels, resamples=10)
    expected = judge.measure(x, y, "cosine")
    found = judge.measure(x.requires_grad_(), y.requires_grad_(), "cosine")
    assert found.figures == expected.figures
    assert torch.equal(judge.ranks(x, y, "cosine"), expected.ranks)
