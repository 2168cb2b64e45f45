from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from facegeom_lit.geometry.batch_energy import batch_energy, batch_response
from facegeom_lit.geometry.energy import attribute_energy


def curves(count: int, dimension: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(3, count, dimension, generator=generator, dtype=torch.float64)
    minus, middle, plus = F.normalize(drawn, dim=2)
    return middle, plus - minus


def test_whole_identities_give_the_measured_energy() -> None:
    base, field = curves(12, 16)
    owners = torch.tensor([0] * 7 + [1] * 5)
    measured = [
        attribute_energy(base[own], field[own], neighborhood="inverse_distance").energy
        for own in (owners == 0, owners == 1)
    ]
    expected = (7 * measured[0] + 5 * measured[1]) / 12  # type: ignore[operator]
    assert float(batch_energy(base, field, owners)) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_and_rotation_change_nothing(seed: int) -> None:
    base, field = curves(9, 6, seed)
    owners = torch.arange(9) % 3
    energy = batch_energy(base, field, owners)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(seed))
    rotation = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    turned = batch_energy((base @ rotation)[order], (field @ rotation)[order], owners[order])
    torch.testing.assert_close(turned, energy)


def test_known_answers() -> None:
    base, field = curves(8, 8)
    owners = torch.zeros(8, dtype=torch.int64)
    assert float(batch_energy(base, torch.ones(8, 8).double(), owners)) == pytest.approx(0)
    assert float(batch_energy(base, torch.eye(8).double(), owners)) == pytest.approx(1)
    alone = batch_energy(base, field.requires_grad_(), torch.arange(8))
    assert not alone.requires_grad
    assert float(alone) == 0


def test_gradient_is_that_of_finite_differences() -> None:
    base, field = curves(6, 5)
    owners = torch.tensor([0, 0, 0, 1, 1, 2])
    assert torch.autograd.gradcheck(
        lambda f: batch_energy(base, f, owners), field.requires_grad_(), atol=1e-6
    )


def test_what_does_not_move_sends_no_gradient_that_is_not_finite() -> None:
    base, _ = curves(4, 5)
    field = torch.zeros(4, 5, dtype=torch.float64, requires_grad=True)
    loss = batch_energy(base, field, torch.zeros(4, dtype=torch.int64)) + batch_response(field)
    loss.backward()
    assert field.grad is not None
    assert bool(field.grad.isfinite().all())


@pytest.mark.parametrize("goal", [0.0, 1.0])
def test_descent_reaches_the_goal(goal: float) -> None:
    base, field = curves(16, 32)
    field = (field + 0.5 * field.mean(0) + 0.3).requires_grad_()
    owners = torch.arange(16) // 4
    optimizer = torch.optim.Adam([field], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        loss = (batch_energy(base, field, owners) - goal) ** 2
        loss.backward()
        optimizer.step()
    assert float(batch_energy(base, field.detach(), owners)) == pytest.approx(goal, abs=0.05)


def test_mixed_precision_around_it_does_not_round() -> None:
    g = torch.Generator().manual_seed(0)
    base = torch.nn.functional.normalize(1 + 0.1 * torch.randn(12, 8, generator=g), dim=1)
    field, owners = torch.randn(12, 8, generator=g), torch.arange(12) % 2
    with torch.autocast("cpu", torch.bfloat16):
        inside = batch_energy(base, field, owners)
    assert torch.equal(inside, batch_energy(base, field, owners))
