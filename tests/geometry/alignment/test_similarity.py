from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import procrustes
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment import neighbor_similarity
from facegeom_lit.geometry.alignment.cka import debiased_cka
from facegeom_lit.geometry.alignment.disparity import procrustes_disparity
from facegeom_lit.geometry.alignment.jackknife import jackknife_interval, person_groups
from facegeom_lit.geometry.alignment.linear_similarity import LinearSimilarity
from facegeom_lit.geometry.alignment.mutual_neighbors import mutual_knn
from facegeom_lit.geometry.alignment.neighbor_similarity import NeighborSimilarity
from facegeom_lit.geometry.alignment.similarity import similarity
from facegeom_lit.geometry.points import comparable
from tests.reference import similarity as reference

NAMES = ("cka", "mutual_knn", "procrustes_disparity")


def spaces(
    people: int = 20, images: int = 4, p: int = 6, q: int = 6, common: float = 0.7, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Two models that recognise the same people and agree to some extent on how they lie."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(people).repeat_interleave(images)
    labels = labels[torch.randperm(len(labels), generator=g)]
    first = torch.randn(people, p, generator=g)
    second = torch.randn(people, q, generator=g)
    same = min(p, q)
    second[:, :same] = common * first[:, :same] + (1 - common) * second[:, :same]
    x, y = (
        centres[labels] + 0.4 * torch.randn(len(labels), centres.shape[1], generator=g) + 1
        for centres in (first, second)
    )
    return x, y, labels


def turn(points: Tensor, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    size = points.shape[1]
    return points @ torch.linalg.qr(torch.randn(size, size, generator=g, dtype=points.dtype))[0]


@pytest.mark.parametrize("q", [4, 6, 9])
def test_cka_agrees_with_the_published_formula(q) -> None:
    x, y, _ = spaces(q=q)
    expected = reference.debiased_cka(x.double().numpy(), y.double().numpy())
    assert debiased_cka(x, y) == pytest.approx(expected, abs=1e-9)
    assert debiased_cka(y, x) == pytest.approx(expected, abs=1e-9)


def test_cka_has_no_bias() -> None:
    """Few images of many dimensions: the usual estimate would be near 1."""
    g = torch.Generator().manual_seed(0)
    values = [debiased_cka(*torch.randn(2, 20, 60, generator=g)) for _ in range(200)]
    assert np.mean(values) == pytest.approx(0, abs=3 * np.std(values) / 200**0.5)


@pytest.mark.parametrize("q", [4, 6, 9])
def test_disparity_agrees_with_scipy(q) -> None:
    x, y, _ = spaces(q=q)
    wide = max(6, q)
    padded = [np.pad(points.double(), ((0, 0), (0, wide - points.shape[1]))) for points in (x, y)]
    assert procrustes_disparity(x, y) == pytest.approx(procrustes(*padded)[2], abs=1e-9)
    assert procrustes_disparity(y, x) == pytest.approx(procrustes(*padded)[2], abs=1e-9)


@pytest.mark.parametrize("distances", [("cosine", "euclidean"), ("euclidean", "cosine")])
@pytest.mark.parametrize("k", [1, 5])
def test_mutual_knn_agrees_with_sorting(distances, k) -> None:
    x, y, labels = spaces()
    rows = x.double().numpy(), y.double().numpy()
    expected = reference.mutual_knn(*rows, labels.numpy(), k, distances)
    assert mutual_knn(x, y, labels, k=k, distances=distances) == pytest.approx(expected)
    alone = reference.mutual_knn(*rows, np.arange(len(x)), k, distances)
    assert mutual_knn(x, y, k=k, distances=distances) == pytest.approx(alone)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), scale=st.floats(0.01, 100))
def test_invariances(seed, scale) -> None:
    x, y, labels = (points.double() for points in spaces(seed=seed))
    labels = labels.long()
    moved = scale * turn(y, seed)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    for index in (debiased_cka, procrustes_disparity):
        value = index(x, y)
        assert index(x, moved + 3) == pytest.approx(value, abs=1e-8)
        assert index(x[order], y[order]) == pytest.approx(value, abs=1e-8)
        assert index(moved + 3, y) == pytest.approx(float(index is debiased_cka), abs=1e-8)
    value = mutual_knn(x, y, labels, k=4)
    assert mutual_knn(x, moved, labels, k=4) == pytest.approx(value)
    assert mutual_knn(x[order], y[order], labels[order], k=4) == pytest.approx(value)
    assert mutual_knn(moved, y, labels, k=4) == 1.0


@pytest.mark.parametrize("distances", [("cosine", "cosine"), ("euclidean", "cosine")])
def test_leaving_people_out_agrees_with_doing_without_them(distances, monkeypatch) -> None:
    x, y, labels = spaces(q=9)
    x, y = (
        comparable(points, distance)
        for points, distance in zip((x, y), distances, strict=True)
    )  # fmt: skip
    groups = person_groups(labels)
    for spare in (1, 3):  # 1: none, so that lists run short
        monkeypatch.setattr(neighbor_similarity, "SPARE", spare)
        left_out = {
            **LinearSimilarity(x, y).left_out(groups),
            **NeighborSimilarity(x, y, labels, distances, 5).left_out(groups),
        }
        for group in (0, 7, 19):
            kept = groups != group
            expected = {
                "cka": debiased_cka(x[kept], y[kept]),
                "procrustes_disparity": procrustes_disparity(x[kept], y[kept]),
                "mutual_knn": mutual_knn(x[kept], y[kept], labels[kept], k=5, distances=distances),
            }
            for name, value in expected.items():
                assert float(left_out[name][group]) == pytest.approx(value, abs=1e-6)


def test_permuted_rows_give_the_permuted_index() -> None:
    x, y, _ = spaces(q=9)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
    linear = LinearSimilarity(x.double(), y.double()).permuted(order)
    assert linear["cka"] == pytest.approx(debiased_cka(x, y[order]), abs=1e-5)
    assert linear["procrustes_disparity"] == pytest.approx(
        procrustes_disparity(x, y[order]), abs=1e-5
    )
    alone = torch.arange(len(x))  # images of people of one, whose neighbours do not depend on rows
    near = NeighborSimilarity(
        comparable(x, "cosine"), comparable(y, "cosine"), alone, ("cosine", "cosine"), 5
    )
    assert near.permuted(order)["mutual_knn"] == mutual_knn(x, y[order], k=5)


def test_related_models_stand_out() -> None:
    x, y, labels = spaces(people=30, q=9, common=0.9)
    found = similarity(x, y, labels, k=5, permutations=39)
    assert tuple(sorted(found)) == NAMES
    for name, index in found.items():
        assert index.name == name
        assert index.p == 1 / 40
        assert index.value.low < index.value.value < index.value.high
        assert index.value.count == 30
        assert abs(index.value.value - index.null) > 3 * index.null_std
    assert similarity(x, y, labels, k=5, permutations=39) == found
    assert similarity(x, y, labels, k=5, permutations=39, seed=1) != found


def test_models_that_only_recognise_the_same_people_do_not() -> None:
    """Both put the images of a person together, but know nothing of each other's people."""
    p = {name: [] for name in NAMES}
    for seed in range(20):
        x, y, labels = spaces(people=16, common=0.0, seed=seed)
        # By permuted images they would: images of one person are together in both.
        for name, index in similarity(x, y, labels, k=5, permutations=19, seed=seed).items():
            p[name].append(index.p)
            assert abs(index.value.value - index.null) < 6 * index.null_std
    for values in p.values():
        assert 0.35 < np.mean(values) < 0.75
        assert sum(value <= 0.05 for value in values) <= 4


def test_random_embeddings_lie_within_their_null() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 60, 30, generator=g)
    for index in similarity(x, y, torch.arange(60), permutations=49).values():
        assert index.p > 0.05
        assert index.value.value == pytest.approx(index.null, abs=4 * index.null_std)


def test_a_rotated_copy_is_as_similar_as_can_be() -> None:
    x, _, labels = spaces()
    found = similarity(x, 4 * turn(x), labels, k=5, permutations=9)
    for name, index in found.items():
        best = 0.0 if name == "procrustes_disparity" else 1.0
        ends = index.value.value, index.value.low, index.value.high
        assert ends == pytest.approx((best, best, best), abs=1e-5)


def test_few_people_have_no_interval() -> None:
    x, y, labels = spaces(people=5)
    found = similarity(x, y, labels, k=5, permutations=3)
    assert all(index.value.low is None for index in found.values())
    # With six people of two images, nobody has ten neighbours once one person is gone.
    x, y, labels = spaces(people=6, images=2)
    found = similarity(x, y, labels, k=10, permutations=1)
    assert found["mutual_knn"].value.low is None
    assert found["cka"].value.low is not None
    assert found["cka"].null_std == 0.0


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = torch.randn(32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left_out = (values.sum() - values) / 31
    found = jackknife_interval(float(values.mean()), left_out, 32, 0.95, (-9, 9))
    error = float(values.std()) / 32**0.5
    assert found.high - found.low == pytest.approx(2 * 2.0395 * error, rel=1e-4)  # t of 31
    cut = jackknife_interval(0.0, left_out, 32, 0.95, (-1e-3, 1e-3))
    assert (cut.low, cut.high) == (-1e-3, 1e-3)


def test_refuses() -> None:
    x, y, labels = spaces()
    with pytest.raises(FaceGeomError, match="same images"):
        similarity(x[1:], y, labels)
    with pytest.raises(FaceGeomError, match="two people"):
        similarity(x, y, torch.zeros_like(labels))
    with pytest.raises(FaceGeomError, match="`k` must lie between 1 and 76"):
        similarity(x, y, labels, k=77)
    with pytest.raises(FaceGeomError, match="length zero"):
        similarity(torch.zeros_like(x), y, labels)
    for index in (debiased_cka, procrustes_disparity):
        with pytest.raises(FaceGeomError, match="same embedding"):
            index(torch.ones_like(x), y)
    with pytest.raises(FaceGeomError, match="4 images"):
        debiased_cka(x[:3], y[:3])


def test_equal_rows_are_refused_whatever_rounding_makes_of_their_mean() -> None:
    _, other, labels = spaces()
    same = torch.full((len(labels), 5), 0.1, dtype=torch.float64) * torch.arange(1, 6)
    assert (same - same.mean(dim=0)).any()
    for index in (debiased_cka, procrustes_disparity):
        with pytest.raises(FaceGeomError, match="same embedding"):
            index(same, other)
    with pytest.raises(FaceGeomError, match="same embedding"):
        similarity(other, same, labels, permutations=1)
    with pytest.raises(FaceGeomError, match="equally far"):
        debiased_cka(torch.eye(7), torch.eye(7))


@pytest.mark.parametrize("counts", [[2, 2], [3, 1, 1]])
def test_few_people_have_no_interval_and_no_small_p(counts) -> None:
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    points = torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(0))
    for index in similarity(points, points, labels, k=1, permutations=40).values():
        assert index.value.low is None
        assert index.p == 1.0
