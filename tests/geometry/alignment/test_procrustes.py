from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from facegeom_lit.geometry.alignment.moments import Moments
from facegeom_lit.geometry.alignment.procrustes import procrustes
from tests.geometry.alignment.test_affine import pairs
from tests.reference import alignment as reference


def test_between_dimensions_zeros_pad_the_smaller_side() -> None:
    source, target = (side.double() for side in pairs(p=8, q=5))
    padded = torch.cat([target, torch.zeros(200, 3)], dim=1)
    expected = orthogonal_procrustes(source.numpy(), padded.numpy())[0][:, :5]
    measured = procrustes(Moments.of(source, target).about(torch.zeros(13).double()))
    np.testing.assert_allclose(measured, expected, atol=1e-10)
    wider = orthogonal_procrustes(padded.numpy(), source.numpy())[0][:5]
    back = procrustes(Moments.of(target, source).about(torch.zeros(13).double()))
    np.testing.assert_allclose(back, wider, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), p=st.integers(1, 4))
def test_no_other_orthonormal_rows_come_closer(seed, p) -> None:
    source, target = (side.double() for side in pairs(60, p=p, q=5))
    products = Moments.of(source, target).about()
    best = products.residual(procrustes(products))
    other = torch.from_numpy(np.atleast_2d(ortho_group.rvs(5, random_state=seed)))[:p]
    assert best <= products.residual(other) * (1 + 1e-12)


def test_to_fewer_dimensions_agreement_is_what_it_maximises() -> None:
    """As its docstring says: the least |XW − Y| is another map, found step by step."""
    source, target = (side.double() for side in pairs(p=8, q=5, noise=3.0))
    products = Moments.of(source, target).about()
    ours = procrustes(products)
    x, y = source - source.mean(0), target - target.mean(0)
    other = torch.from_numpy(reference.closest_narrow_map(x.numpy(), y.numpy()))
    assert torch.allclose(other.T @ other, torch.eye(5).double(), atol=1e-10)
    assert products.residual(other) < products.residual(ours)
    assert (other * products.xy).sum() < (ours * products.xy).sum()


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (6, 6)])
def test_scale_is_the_best_one(shape) -> None:
    products = Moments.of(*pairs(p=shape[0], q=shape[1])).about()
    scaled = procrustes(products, scale=True)
    residual = products.residual(scaled)
    assert residual <= products.residual(scaled * 1.001)
    assert residual <= products.residual(scaled * 0.999)
    assert residual <= products.residual(procrustes(products))
