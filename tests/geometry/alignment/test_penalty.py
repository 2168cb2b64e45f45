from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import PredefinedSplit
from torch import Tensor

from facegeom_lit.geometry.alignment.affine import fit
from facegeom_lit.geometry.alignment.folds import fold_of, held_out
from facegeom_lit.geometry.alignment.moments import Moments
from facegeom_lit.geometry.alignment.penalty import penalty_grid
from facegeom_lit.geometry.alignment.spectrum import Spectrum
from tests.geometry.alignment.test_affine import pairs
from tests.reference import alignment as reference


def grid_of(source: Tensor, target: Tensor) -> list[float]:
    return penalty_grid(Spectrum(Moments.of(source, target).about())).tolist()


def people(
    count: int = 40, images: int = 20, p: int = 30, noise: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Images of one person share their noise: folds over images would see no need for λ."""
    g = torch.Generator().manual_seed(0)
    source = torch.randn(count, 1, p, generator=g).expand(-1, images, -1)
    target = source[..., :4] + noise * torch.randn(count, 1, 4, generator=g)
    source = (source + 0.01 * torch.randn(count, images, p, generator=g)).reshape(-1, p)
    return (
        source,
        target.expand(-1, images, -1).reshape(-1, 4),
        torch.arange(count * images) // images,
    )


def test_kfold_is_scikit_learn_over_every_fold_and_penalty() -> None:
    source, target, groups = people()
    groups = groups * 10  # the ids of a set whose people are numbered in tens
    x, y = source.double().numpy(), target.double().numpy()
    split = PredefinedSplit(fold_of(groups).numpy())
    assert split.get_n_splits() == 5
    grid = grid_of(source, target)
    errors = []
    for penalty in grid:
        missed = 0.0
        for fitted, judged in split.split():
            predicted = Ridge(alpha=penalty).fit(x[fitted], y[fitted]).predict(x[judged])
            missed += ((predicted - y[judged]) ** 2).sum()
        errors.append(missed)
    chosen = fit(source, target, groups=groups).ridge
    assert chosen == pytest.approx(grid[int(np.argmin(errors))], rel=1e-9)
    assert chosen > 10 * fit(source, target, ridge="gcv").ridge
    folds = [
        Moments.of(source[fold_of(groups) == fold], target[fold_of(groups) == fold])
        for fold in range(5)
    ]
    measured = sum(
        fitted.errors(torch.tensor(grid), judged) for fitted, judged in held_out(folds, True)
    )
    np.testing.assert_allclose(measured, errors, rtol=1e-6)


@pytest.mark.parametrize("bias", [False, True])
def test_errors_of_rows_left_out_are_those_of_the_solution(bias) -> None:
    source, target, groups = people(12)
    folds = [Moments.of(source[groups % 3 == k], target[groups % 3 == k]) for k in range(3)]
    penalties = torch.tensor([1e-4, 1.0, 300.0], dtype=torch.float64)
    for fitted, judged in held_out(folds, bias):
        expected = [float(judged.residual(fitted.solution(p))) for p in penalties.tolist()]
        np.testing.assert_allclose(fitted.errors(penalties, judged), expected, rtol=1e-9)


@pytest.mark.parametrize("bias", [False, True])
def test_gcv_is_the_textbook_formula(bias) -> None:
    source, target = pairs(30, noise=3.0)
    moments = Moments.of(source, target)
    x, y = source.double(), target.double()
    origin = moments.mean if bias else torch.zeros_like(moments.mean)
    x, y = x - origin[:8], y - origin[8:]
    spectrum = Spectrum(moments.about(origin))
    grid = penalty_grid(spectrum).tolist()
    expected = [reference.gcv_error(x.numpy(), y.numpy(), p, int(bias)) for p in grid]
    measured = spectrum.generalised_errors(torch.tensor(grid, dtype=torch.float64), int(bias))
    np.testing.assert_allclose(measured, expected, rtol=1e-6)
    chosen = fit(source, target, ridge="gcv", bias=bias).ridge
    assert chosen == pytest.approx(grid[int(np.argmin(expected))], rel=1e-12)


def test_gcv_of_fewer_images_than_dimensions_never_takes_the_interpolation() -> None:
    """There RSS and the degrees of freedom both vanish, and rounding must not win."""
    source, target = pairs(20, 40, 6, noise=5.0)
    spectrum = Spectrum(Moments.of(source, target).about())
    errors = spectrum.generalised_errors(penalty_grid(spectrum), 1)
    assert errors[:4].isinf().all()
    assert (errors > 0).all()
    assert torch.isfinite(fit(source, target, ridge="gcv").matrix).all()


def test_a_direction_that_hardly_moves_is_used_where_it_predicts() -> None:
    """As one real face model holds them: 1e-8 of the mean variance, and not noise."""
    source, target = (side.double() for side in pairs(300))
    groups = torch.arange(300) // 3
    g = torch.Generator().manual_seed(1)
    target[:, 0] = torch.randn(300, generator=g)
    source[:, 0] = 1e-4 * target[:, 0]
    for rule in ("gcv", "kfold"):
        mapped = fit(source, target, groups=groups, ridge=rule)(source)
        assert (mapped[:, 0] - target[:, 0]).square().mean() < 0.1


@pytest.mark.parametrize("noise", [1.0, 5.0, 20.0])
def test_gcv_chooses_as_leaving_one_out_does(noise) -> None:
    source, target = pairs(150, noise=noise)
    grid = grid_of(source, target)
    expected = RidgeCV(alphas=grid).fit(source.double(), target.double())
    measured = fit(source, target, ridge="gcv")
    assert measured.ridge == pytest.approx(expected.alpha_, rel=1e-9)
    np.testing.assert_allclose(measured.matrix, expected.coef_.T, atol=1e-5)
