from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine import AffineAccumulator, fit
from facegeom_lit.geometry.alignment.folds import fold_of, held_out
from facegeom_lit.geometry.alignment.low_rank import LowRank
from facegeom_lit.geometry.alignment.moments import Moments
from tests.geometry.alignment.test_affine import pairs
from tests.reference import alignment as reference


def through(rank: int, noise: float = 0.3, count: int = 300) -> tuple[Tensor, Tensor, Tensor]:
    """Targets that depend on the sources through few dimensions; three images a person."""
    g = torch.Generator().manual_seed(0)
    source = torch.randn(count, 9, generator=g) + 1
    matrix = torch.randn(9, rank, generator=g) @ torch.randn(rank, 7, generator=g)
    target = source @ matrix + noise * torch.randn(count, 7, generator=g)
    return source, target, torch.arange(count) // 3


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("penalty", [0.0, 0.5, 100.0])
@pytest.mark.parametrize("shape", [(200, 8, 6), (200, 6, 8)])
def test_every_rank_is_the_plain_one(bias, penalty, shape) -> None:
    source, target = pairs(*shape, noise=2.0)
    x, y = source.double().numpy(), target.double().numpy()
    if bias:
        x, y = x - x.mean(0), y - y.mean(0)
    sums = AffineAccumulator()
    sums.update(source, target)
    ranks = range(1, 7)
    for rank, found in zip(ranks, sums.low_rank(ranks, bias=bias, ridge=penalty), strict=True):
        np.testing.assert_allclose(
            found.matrix, reference.reduced_rank(x, y, penalty, rank), atol=1e-5
        )
        assert np.linalg.matrix_rank(found.matrix.double(), tol=1e-4) == rank
        assert (found.rank, found.ridge, found.bias) == (rank, penalty, bias)
    full = sums.solve("ridge", bias=bias, ridge=penalty)
    assert torch.allclose(found.matrix, full.matrix, atol=1e-5)
    assert torch.allclose(found.offset, full.offset, atol=1e-5)


def test_few_images_and_no_penalty_stay_finite() -> None:
    source, target = pairs(4)
    found = fit(source, target, method="low_rank", rank=6, ridge=0.0)
    assert torch.allclose(found(source), target, atol=1e-4)


def test_a_true_rank_is_found() -> None:
    source, target, groups = through(1, noise=0.0)
    exact = fit(source, target, method="low_rank", rank=1, ridge=0.0)
    assert torch.allclose(exact(source), target, atol=1e-4)
    for rank in (1, 3):
        source, target, groups = through(rank)
        found = fit(source, target, method="low_rank", groups=groups)
        assert found.rank == rank
        folds = fold_of(groups).numpy()
        x, y = source.double().numpy(), target.double().numpy()
        assert reference.chosen_rank(x, y, folds, found.ridge) == rank


def test_errors_of_rows_left_out_are_those_of_each_solution() -> None:
    source, target, groups = through(3)
    folds = [Moments.of(source[groups % 3 == k], target[groups % 3 == k]) for k in range(3)]
    for fitted, judged in held_out(folds, True):
        low = LowRank(fitted, 2.0)
        expected = [float(judged.residual(low.solution(rank))) for rank in range(1, 8)]
        np.testing.assert_allclose(low.errors(judged), expected, rtol=1e-9)


def test_bad_ranks_are_named() -> None:
    source, target, _ = through(2)
    for rank in (0, 8):
        with pytest.raises(FaceGeomError, match=f"between 1 and 7, got {rank}"):
            fit(source, target, method="low_rank", rank=rank)
    with pytest.raises(FaceGeomError, match="needs `groups`"):
        fit(source, target, method="low_rank")
