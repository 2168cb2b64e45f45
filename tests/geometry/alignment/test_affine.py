from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.linear_model import LinearRegression, Ridge
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine import AffineAccumulator, AffineMap, fit
from facegeom_lit.geometry.identification import first_image_gallery, rank_k
from facegeom_lit.geometry.points import normalized

METHODS = ("none", "procrustes", "linear", "ridge")


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


def test_gcv_is_the_textbook_formula() -> None:
    source, target = pairs(30, noise=3.0)
    chosen = fit(source, target, ridge="gcv").ridge
    assert chosen is not None
    x, y = (a.double() - a.double().mean(0) for a in (source, target))

    def error(penalty: float) -> float:
        hat = x @ torch.linalg.inv(x.T @ x + penalty * torch.eye(8)) @ x.T
        rest = 30 - 1 - float(hat.trace())
        return 30 * float((y - hat @ y).square().sum()) / rest**2

    step = math.sqrt(10)
    assert error(chosen) <= min(error(chosen * step), error(chosen / step))


def test_kfold_judges_on_other_identities() -> None:
    """Images of one person share their noise: folds over images would see no need for λ."""
    g = torch.Generator().manual_seed(0)
    people, images, p = 40, 20, 30
    source = torch.randn(people, 1, p, generator=g).expand(-1, images, -1)
    target = source[..., :4] + torch.randn(people, 1, 4, generator=g)
    source = (source + 0.01 * torch.randn(people, images, p, generator=g)).reshape(-1, p)
    target = target.expand(-1, images, -1).reshape(-1, 4)
    groups = torch.arange(people).repeat_interleave(images)
    over_people = fit(source, target, ridge="kfold", groups=groups).ridge
    over_images = fit(source, target, ridge="gcv").ridge
    assert over_people > 10 * over_images

    def error(penalty: float) -> float:
        total = 0.0
        for fold in range(5):
            judged = groups % 5 == fold
            mapped = Ridge(alpha=penalty).fit(source[~judged].double(), target[~judged].double())
            predicted = mapped.predict(source[judged].double())
            total += float(((predicted - target[judged].numpy()) ** 2).sum())
        return total

    step = math.sqrt(10)
    assert error(over_people) <= min(error(over_people * step), error(over_people / step))
    assert fit(source, target, groups=groups).ridge == over_people


@pytest.mark.parametrize("method", METHODS)
def test_save_and_load(method, tmp_path: Path) -> None:
    source, target = pairs()
    fitted = fit(source, target, method=method)
    fitted.save(tmp_path / "map.safetensors")
    loaded = AffineMap.load(tmp_path / "map.safetensors")
    assert torch.equal(loaded(source), fitted(source))
    for fact in ("method", "bias", "ridge", "count"):
        assert getattr(loaded, fact) == getattr(fitted, fact)
    assert [file.name for file in tmp_path.iterdir()] == ["map.safetensors"]


def test_files_that_are_no_maps(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(FaceGeomError, match=r"missing\.safetensors"):
        AffineMap.load(tmp_path / "missing.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(FaceGeomError, match="text cannot be read"):
        AffineMap.load(tmp_path / "text")
    save_file({"matrix": torch.ones(2, 2)}, tmp_path / "other")
    with pytest.raises(FaceGeomError, match="not an affine map"):
        AffineMap.load(tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "message"),
    [
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
            mapped = fit(constant, target, method=method, bias=bias, scale=True)(constant)
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
