from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from facegeom_lit.geometry.alignment.affine import AffineAccumulator, fit
from facegeom_lit.geometry.alignment.moments import FEW, ROWS, Moments, sum_moments


def rows(count: int, p: int = 5, q: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    both = torch.randn(count, p + q, generator=g, dtype=torch.float64)
    both = both @ torch.randn(p + q, p + q, generator=g, dtype=torch.float64) + 2
    return both[:, :p], both[:, p:]


@pytest.mark.parametrize("count", [0, 1, 7, FEW, ROWS, 2 * ROWS + 3])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_products_are_those_of_all_rows_in_float64(count, dtype) -> None:
    source, target = (side.to(dtype) for side in rows(count))
    moments = Moments.of(source, target)
    both = torch.cat([source, target], dim=1).double().numpy()
    assert int(moments.count) == count
    assert moments.products.dtype == torch.float64
    for origin in (None, torch.zeros(8, dtype=torch.float64), torch.arange(8).double()):
        if count == 0 and origin is None:
            continue
        centred = both - (both.mean(0) if origin is None else origin.numpy())
        expected = centred.T @ centred
        found = moments.about(origin)
        limit = 1e-13 * max(np.abs(expected).max(), 1)
        np.testing.assert_allclose(found.xx, expected[:5, :5], atol=limit)
        np.testing.assert_allclose(found.xy, expected[:5, 5:], atol=limit)
        np.testing.assert_allclose(found.yy, expected[5:, 5:], atol=limit)


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 60), max_size=6),
    seed=st.integers(0, 99),
)
def test_any_parts_in_any_order_give_the_same(cuts, seed) -> None:
    source, target = rows(60)
    edges = [0, *sorted(cuts), 60]
    parts = [Moments.of(source[a:b], target[a:b]) for a, b in pairwise(edges)]
    random.Random(seed).shuffle(parts)
    merged, whole = sum_moments(parts), Moments.of(source, target)
    grown = Moments.zeros(5, 3)
    for a, b in pairwise(edges):
        grown.take(source[a:b], target[a:b])
    for found in (merged, grown, Moments.from_flat(merged.flat(), 5, 3), whole.reversed()):
        found = found if found.split == 5 else found.reversed()
        assert torch.allclose(found.mean, whole.mean, atol=1e-13)
        assert torch.allclose(found.products, whole.products, atol=1e-11)


@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_a_large_common_mean_costs_no_digits(offset) -> None:
    """Sums about zero would lose up to 12 of 16 digits."""
    source, target = rows(3000)
    moved = torch.cat([source, target], dim=1) + offset
    expected = np.cov(moved.numpy().astype(np.longdouble).T, bias=True) * 3000
    half = Moments.of(moved[:1000, :5], moved[:1000, 5:])
    for found in (
        Moments.of(moved[:, :5], moved[:, 5:]),
        half + Moments.of(moved[1000:, :5], moved[1000:, 5:]),
    ):
        error = (found.products.numpy() - expected).astype(float)
        assert np.abs(error).max() <= max(1e-13, 1e-17 * offset) * float(np.abs(expected).max())
    plain = moved.T @ moved - 3000 * torch.outer(moved.mean(0), moved.mean(0))
    lost = float(np.abs(plain.numpy() - expected.astype(float)).max() / np.abs(expected).max())
    assert lost > 1e-16 * offset**1.5


def test_residual_of_one_matrix_and_of_several() -> None:
    source, target = rows(50)
    matrices = torch.randn(4, 5, 3, dtype=torch.float64)
    products = Moments.of(source, target).about(torch.zeros(8, dtype=torch.float64))
    expected = (source @ matrices - target).square().sum(dim=(1, 2))
    assert torch.allclose(products.residual(matrices), expected)
    assert torch.allclose(products.residual(matrices[2]), expected[2])


def test_files_larger_than_memory_are_read_batch_by_batch(tmp_path: Path) -> None:
    source, target = (side.float() for side in rows(500))
    arrays = []
    for name, side in (("source", source), ("target", target)):
        array = np.memmap(tmp_path / name, np.float32, "w+", shape=tuple(side.shape))
        array[:] = side
        array.flush()
        arrays.append(np.memmap(tmp_path / name, np.float32, "c", shape=tuple(side.shape)))
    sums = AffineAccumulator()
    for start in range(0, 500, 120):
        sums.update(*(torch.from_numpy(array[start : start + 120]) for array in arrays))
    expected = fit(source, target, ridge=1.0)
    assert torch.allclose(sums.solve(ridge=1.0).matrix, expected.matrix, atol=1e-6)
