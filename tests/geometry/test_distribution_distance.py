from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.distribution_distance import (
    distance_features,
    frechet_distance,
    kernel_distance,
)


def features(count: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(count, 6, generator=generator, dtype=torch.float64) + shift


def test_frechet_agrees_with_scipy() -> None:
    source, generated = features(300, 0), features(200, 1, 0.3, 1.4)
    a, b = source.numpy(), generated.numpy()
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    gap = a.mean(0) - b.mean(0)
    expected = gap @ gap + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert frechet_distance(source, generated) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(source, source) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_agrees_with_torchmetrics_and_a_loop() -> None:
    source, generated = features(40, 0), features(40, 1, 0.5)
    expected = float(poly_mmd(source, generated))
    assert kernel_distance(source, generated) == pytest.approx(expected, rel=1e-9)
    few = generated[:7]  # of another number

    def kernel(x: Tensor, y: Tensor) -> float:
        return float(x @ y / 6 + 1) ** 3

    def own(rows: Tensor) -> float:
        n = len(rows)
        return np.mean([kernel(rows[i], rows[j]) for i in range(n) for j in range(n) if i != j])

    between = np.mean([kernel(x, y) for x in source for y in few])
    expected = own(source) + own(few) - 2 * between
    assert kernel_distance(source, few) == pytest.approx(expected, rel=1e-9)


def test_equal_distributions_are_near_zero() -> None:
    found = [kernel_distance(features(60, n), features(60, 100 + n)) for n in range(40)]
    assert abs(np.mean(found)) < 3 * np.std(found) / len(found) ** 0.5
    assert min(found) < 0


def test_several_images_of_a_person_are_not_independent() -> None:
    labels = torch.arange(30).repeat_interleave(5)
    noise = [0.2 * features(150, seed) for seed in (10, 11)]
    found, naive = [], []
    for n in range(20):
        one = features(30, n)[labels] + noise[0]
        two = features(30, 100 + n)[labels] + noise[1]
        found.append(kernel_distance(one, two, labels, labels))
        naive.append(kernel_distance(one, two))
    assert abs(np.mean(found)) < 3 * np.std(found) / len(found) ** 0.5
    assert np.mean(naive) > 10 * abs(np.mean(found))
    with pytest.raises(FaceGeomError, match="two people in each"):
        kernel_distance(one, two, torch.zeros(150), labels)


def test_features_have_the_length_of_the_kernel() -> None:
    found = distance_features(features(5, 0, 3.0).float())
    assert (found @ found.T).diagonal().tolist() == pytest.approx([6.0] * 5)


def test_bad_input_is_named() -> None:
    for measure in (frechet_distance, kernel_distance):
        with pytest.raises(FaceGeomError, match="equal width"):
            measure(features(5, 0), features(5, 0)[:, :3])
        with pytest.raises(FaceGeomError, match="two images each"):
            measure(features(5, 0), features(1, 0))
