from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from sklearn.linear_model import LinearRegression, Ridge
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine import AffineAccumulator, fit
from facegeom_lit.geometry.identification import first_image_gallery, rank_k
from facegeom_lit.geometry.points import normalized

METHODS = ("none", "procrustes", "linear", "ridge", "low_rank")


def pairs(count: int = 200, p: int = 8, q: int = 6, noise: float = 0.3) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    source = torch.randn(count, p, generator=g) + 2
    target = (
        source @ torch.randn(p, q, generator=g) - 1 + noise * torch.randn(count, q, generator=g)
    )
    return source, target


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_ridge_agrees_with_scikit_learn(bias, penalty) -> None:
    source, target = pairs()
    expected = Ridge(alpha=penalty, fit_intercept=bias).fit(source.double(), target.double())
    measured = fit(source, target, method="ridge", ridge=penalty, bias=bias)
    np.testing.assert_allclose(measured.matrix, expected.coef_.T, atol=1e-5)
    np.testing.assert_allclose(measured.offset, expected.intercept_ * bias, atol=1e-5)
    assert measured.ridge == penalty


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(200, 8, 6), (200, 6, 8), (5, 8, 6)])
def test_linear_agrees_with_scikit_learn(bias, shape) -> None:
    """Also with fewer images than dimensions, where the solution of least norm is meant."""
    source, target = pairs(*shape)
    expected = LinearRegression(fit_intercept=bias).fit(source.double(), target.double())
    measured = fit(source, target, method="linear", bias=bias)
    np.testing.assert_allclose(measured.matrix, expected.coef_.T, atol=1e-4)
    np.testing.assert_allclose(measured(source), expected.predict(source.double()), atol=1e-4)
    assert torch.equal(
        fit(source, target, method="ridge", ridge=0, bias=bias).matrix, measured.matrix
    )


def test_linear_with_a_dimension_that_never_moves() -> None:
    source, target = pairs()
    source[:, 3] = 0
    expected = np.linalg.lstsq(source.double(), target.double())[0]
    np.testing.assert_allclose(
        fit(source, target, method="linear", bias=False).matrix, expected, atol=1e-5
    )


@pytest.mark.parametrize("bias", [False, True])
def test_procrustes_agrees_with_scipy(bias) -> None:
    source, target = pairs(q=8)
    x, y = source.double().numpy(), target.double().numpy()
    if bias:
        x, y = x - x.mean(0), y - y.mean(0)
    expected, strength = orthogonal_procrustes(x, y)
    measured = fit(source, target, method="procrustes", bias=bias)
    np.testing.assert_allclose(measured.matrix, expected, atol=1e-5)
    scaled = fit(source, target, method="procrustes", bias=bias, scale=True)
    np.testing.assert_allclose(scaled.matrix, expected * strength / (x**2).sum(), atol=1e-5)


@pytest.mark.parametrize(("p", "q"), [(8, 5), (5, 8)])
def test_procrustes_is_semi_orthogonal_between_dimensions(p, q) -> None:
    matrix = fit(*pairs(p=p, q=q), method="procrustes").matrix
    product = matrix @ matrix.T if p < q else matrix.T @ matrix
    assert torch.allclose(product, torch.eye(min(p, q)), atol=1e-5)


def test_none_pads_or_truncates_and_moves_only_when_told_to() -> None:
    wide, narrow = pairs(p=8, q=6)
    assert torch.equal(fit(wide, narrow, method="none")(wide), wide[:, :6])
    padded = fit(narrow, wide, method="none")(narrow)
    assert torch.equal(padded[:, :6], narrow)
    assert padded[:, 6:].abs().max() == 0
    centred = fit(wide, narrow, method="none", bias=True)(wide)
    assert torch.allclose(centred.mean(0), narrow.mean(0), atol=1e-5)


def test_a_map_with_bias_ignores_where_the_origins_are() -> None:
    source, target = pairs()
    for method in ("procrustes", "linear", "ridge"):
        plain = fit(source, target, method=method, ridge=1.0)(source)
        moved = fit(source + 5, target + 3, method=method, ridge=1.0)(source + 5)
        assert torch.allclose(moved, plain + 3, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_batches_and_merging_equal_one_fit(method) -> None:
    source, target = pairs()
    groups = torch.arange(200) // 4
    whole = fit(source, target, method=method, groups=groups)
    first, second = AffineAccumulator(), AffineAccumulator()
    for start in range(0, 100, 30):
        rows = slice(start, min(start + 30, 100))
        first.update(source[rows], target[rows], groups[rows])
    second.update(source[100:], target[100:], groups[100:])
    first.merge(second)
    first.merge(AffineAccumulator())
    merged = first.solve(method)
    assert merged.count == 200
    assert (merged.ridge or 0) == pytest.approx(whole.ridge or 0, rel=1e-9)
    assert torch.allclose(merged.matrix, whole.matrix, atol=1e-6)
    assert torch.allclose(merged.offset, whole.offset, atol=1e-6)
    empty = AffineAccumulator()
    empty.merge(first)
    assert torch.equal(empty.solve(method).matrix, merged.matrix)


def rotation(dimension: int, seed: int) -> Tensor:
    """Orthogonal, (dimension, dimension)."""
    g = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(dimension, dimension, generator=g, dtype=torch.float64))[0]


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    method=st.sampled_from(["procrustes", "linear", "ridge", "low_rank"]),
    shape=st.sampled_from([(8, 6), (6, 8), (7, 7)]),
)
def test_rotating_either_side_rotates_the_map_with_it(seed, method, shape) -> None:
    p, q = shape
    source, target = (side.double() for side in pairs(60, p, q))
    left, right = rotation(p, seed), rotation(q, seed + 1)
    options = {"ridge": 2.0, "rank": 3 if method == "low_rank" else None}
    plain = fit(source, target, method=method, **options)(source)
    turned = fit(source @ left, target @ right, method=method, **options)(source @ left)
    assert torch.allclose(turned, plain @ right, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    method=st.sampled_from(METHODS),
    factor=st.sampled_from([1e-3, 0.5, 40.0]),
)
def test_the_order_of_rows_and_the_unit_do_not_matter(seed, method, factor) -> None:
    """Of λ that is chosen, neither: the grid has the unit of the source's variance."""
    source, target = pairs(100)
    groups = torch.arange(100) // 2
    plain = fit(source, target, method=method, groups=groups)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(seed))
    mixed = fit(source[order], target[order], method=method, groups=groups[order])
    assert torch.allclose(mixed(source), plain(source), atol=1e-4)
    assert mixed.rank == plain.rank
    if method not in ("none", "procrustes"):  # which keep the source's unit
        scaled = fit(source * factor, target, method=method, groups=groups)
        assert torch.allclose(scaled(source * factor), plain(source), atol=1e-4)
    longer = fit(source, target * factor, method=method, groups=groups, scale=True)
    same = fit(source, target, method=method, groups=groups, scale=True)
    if method != "none":
        assert torch.allclose(longer(source) / factor, same(source), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_other_direction_comes_from_the_same_sums(method, bias, grouped) -> None:
    source, target = pairs()
    groups = torch.arange(200) // 4 if grouped else None
    options = {"method": method, "bias": bias, "scale": True}
    if method == "low_rank":
        options["rank"] = 4
    sums = AffineAccumulator()
    sums.update(source, target, groups)
    back = sums.reversed()
    found, expected = back.solve(**options), fit(target, source, groups=groups, **options)
    assert found.count == 200
    assert (found.ridge or 0) == pytest.approx(expected.ridge or 0, rel=1e-9)
    assert torch.allclose(found.matrix, expected.matrix, atol=1e-5)
    assert torch.allclose(found.offset, expected.offset, atol=1e-5)
    again, straight = back.reversed().solve(**options), sums.solve(**options)
    assert torch.equal(again.matrix, straight.matrix)
    back.update(target, source, groups)  # and it stands on its own
    assert (back.count, sums.count) == (400, 200)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_floating_point_type_is_fitted_in_float64(dtype) -> None:
    source, target = (side.to(dtype) for side in pairs())
    found = fit(source, target, method="linear")
    expected = LinearRegression().fit(source.double().numpy(), target.double().numpy())
    np.testing.assert_allclose(found.matrix, expected.coef_.T, atol=1e-6)
    assert found(source).dtype == dtype
    exact = expected.predict(source.double().numpy())
    rounding = max(torch.finfo(dtype).eps, 1e-6)  # of the result alone: W is float32
    np.testing.assert_allclose(found(source).double(), exact, rtol=rounding, atol=1e-5)


def test_a_large_common_mean_costs_only_what_float32_costs() -> None:
    """Means of 1,000 times the spread, as a network without a last normalisation gives."""
    source, target = (side.double() for side in pairs(300, noise=0.01))
    moved, expected = source + 2000, target.numpy()
    for method in ("linear", "ridge", "procrustes"):
        plain, far = (fit(side, target, method=method) for side in (source, moved))
        assert (plain.ridge or 0) == pytest.approx(far.ridge or 0, rel=1e-6)
        assert torch.allclose(far.matrix, plain.matrix, atol=1e-6)
        np.testing.assert_allclose(far(moved).mean(0), expected.mean(0), atol=1e-3)


def test_the_same_rows_give_the_same_bits() -> None:
    source, target = pairs(1000, 64, 48)
    first, second = (fit(source, target, groups=torch.arange(1000)) for _ in range(2))
    assert torch.equal(first.matrix, second.matrix)
    assert torch.equal(first.offset, second.offset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 7, "method": "low_rank"}, "`rank` must lie between 1 and 6"),
        ({"method": "magic"}, "`method` must be one of"),
        ({"ridge": -1.0}, "`ridge` must be"),
        ({"ridge": "loo"}, "`ridge` must be"),
        ({"ridge": "kfold"}, "needs `groups`"),
        ({"groups": torch.zeros(200, dtype=torch.int64), "ridge": "kfold"}, "at least two folds"),
        ({"groups": torch.zeros(3, dtype=torch.int64)}, "one integer for each of the 200 rows"),
        ({"target": torch.ones(3, 6)}, "same images, got 200 and 3"),
        ({"target": torch.full((200, 6), math.nan)}, "`target` holds NaN"),
        ({"source": torch.ones(0, 8), "target": torch.ones(0, 6)}, "no pairs"),
    ],
)
def test_bad_input_is_named(change, message) -> None:
    source, target = pairs()
    arguments = {"source": source, "target": target} | change
    with pytest.raises(FaceGeomError, match=message):
        fit(arguments.pop("source"), arguments.pop("target"), **arguments)


def test_wrong_dimensions_later() -> None:
    sums = AffineAccumulator()
    sums.update(*pairs())
    with pytest.raises(FaceGeomError, match=r"\(8, 6\) to \(8, 7\)"):
        sums.update(torch.ones(3, 8), torch.ones(3, 7))
    with pytest.raises(FaceGeomError, match=r"shape \(N, 8\), got \(3, 7\)"):
        sums.solve()(torch.ones(3, 7))
    with pytest.raises(FaceGeomError, match="no pairs"):
        AffineAccumulator().solve()


def test_degenerate_sources_give_finite_maps() -> None:
    source, target = pairs(10)
    constant = torch.ones_like(source)
    for method in METHODS:
        for bias in (False, True):
            rank = 3 if method == "low_rank" else None
            fitted = fit(constant, target, method=method, bias=bias, scale=True, rank=rank)
            mapped = fitted(constant)
            assert torch.isfinite(mapped).all()


def test_real_models_align(real_data: Path) -> None:
    """CelebA: fitted on half of the people, judged on the others (`real/README.md`)."""
    table = np.load(real_data / "embeddings" / "celeba_subset.npz", allow_pickle=False)
    clear = table["second_face_area_ratio"] <= 0.3
    labels = torch.from_numpy(table["identity"][clear]).long()
    fitting = torch.isin(labels, labels.unique()[::2])
    gallery, probes = first_image_gallery(labels[~fitting])
    judged = labels[~fitting]
    names = ("prelu_casia", "relu_ms1m", "y1", "int8_casia")
    models = {
        name: normalized(torch.from_numpy(table[f"mobilefacenet_{name}"][clear]).float())
        for name in names
    }
    for first, second in permutations(names, 2):
        source, target = models[first], models[second]

        def rank_1(method: str, **options: float) -> float:
            mapped = fit(source[fitting], target[fitting], method=method, **options)  # noqa: B023
            native, foreign = target[~fitting], mapped(source[~fitting])  # noqa: B023
            hits = rank_k(native[gallery], judged[gallery], foreign[probes], judged[probes], [1])
            return hits[1]

        assert rank_1("none") <= 0.012
        assert 0.78 <= rank_1("procrustes") <= 0.88
        assert 0.78 <= rank_1("ridge", ridge=1.0) <= 0.88


def test_many_pairs_do_not_hide_a_small_direction() -> None:
    x = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(0))
    x[:, 1] *= 3e-6  # 1e-11 of the variance, which the rounding of sums over rows does not reach
    y = x[:, 1:] / 3e-6
    assert fit(x, y, method="linear").matrix[1, 0] * 3e-6 == pytest.approx(1, abs=1e-4)
    copied = torch.cat([x[:500, :1], 0.3 * x[:500, :1], 7 * x[:500, :1]], dim=1)
    assert fit(copied, y[:500], method="linear").matrix.abs().max() < 1
