from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.batch_energy import batch_energy
from facegeom_lit.training.objectives.base import Objective, centered
from facegeom_lit.training.objectives.energy import Energy
from facegeom_lit.training.objectives.invariance import Invariance
from facegeom_lit.training.objectives.sensitivity import Sensitivity


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2])
    embeddings = torch.randn(8, 6, generator=generator)
    values = torch.rand(8, generator=generator) * 2 - 1
    return torch.randn(8, 3, generator=generator), embeddings, labels, values


def test_none_is_the_cross_entropy() -> None:
    logits, embeddings, labels, values = batch()
    losses = Objective()(logits, embeddings, labels, values)
    assert torch.equal(losses.total, F.cross_entropy(logits, labels))


def test_pull_is_the_mean_squared_distance_to_ones_own_mean() -> None:
    logits, embeddings, labels, values = batch()
    losses = Invariance(pull=3.0)(logits, embeddings, labels, values)
    directions = F.normalize(embeddings, dim=1)
    slow = sum(
        (directions[i] - directions[labels == labels[i]].mean(0)).square().sum() for i in range(8)
    )
    torch.testing.assert_close(losses.attribute, 3.0 * slow / 8)


def test_pull_vanishes_when_variations_coincide() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    embeddings = torch.eye(2).repeat_interleave(2, 0) * torch.tensor([[1.0], [5.0], [2.0], [3.0]])
    losses = Invariance(1.0)(torch.zeros(4, 2), embeddings, labels, torch.zeros(4))
    assert float(losses.attribute) == pytest.approx(0, abs=1e-12)


def test_sensitivity_is_satisfied_by_a_shared_direction() -> None:
    objective = Sensitivity(dimension=3, weight=1.0, response=0.2)
    shared = F.normalize(objective.direction.detach(), dim=0)
    labels = torch.tensor([0, 0, 1, 1])
    values = torch.tensor([-1.0, 1.0, -0.5, 0.5])
    moved = 0.2 * values[:, None] * shared
    assert objective.term(moved, labels, values).item() == pytest.approx(0, abs=1e-10)
    assert objective.term(torch.zeros(4, 3), labels, values).item() > 0.01


def test_sensitivity_refuses_unknown_values() -> None:
    logits, embeddings, labels, values = batch()
    values[3] = torch.nan
    with pytest.raises(FaceGeomError, match="some are unknown"):
        Sensitivity(6)(logits, embeddings, labels, values)


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: Invariance(-1), "objective.pull"),
        (lambda: Sensitivity(4, weight=0), "objective.weight"),
        (lambda: Sensitivity(4, response=-1), "objective.response"),
    ],
)
def test_bad_values_name_their_key(make: object, key: str) -> None:
    with pytest.raises(FaceGeomError, match=key):
        make()  # type: ignore[operator]


def test_centered_rows_sum_to_zero_for_each_label() -> None:
    _, embeddings, labels, _ = batch()
    result = centered(embeddings, labels)
    for label in labels.unique():
        torch.testing.assert_close(result[labels == label].sum(0), torch.zeros(6))


def test_energy_is_the_squared_distance_to_its_goals() -> None:
    generator = torch.Generator().manual_seed(0)
    steps = F.normalize(torch.randn(4, 3, 6, generator=generator), dim=2)
    labels = torch.tensor([5, 5, 9, 9]).repeat_interleave(3)
    field = steps[:, 2] - steps[:, 0]
    energy = float(batch_energy(steps[:, 1], field, labels[::3]))
    response = float(field.norm(dim=1).mean())
    term = Energy(energy=0.9, response=0.1, weight=4.0).term(
        steps.flatten(0, 1), labels, torch.zeros(12)
    )
    assert float(term) == pytest.approx(4 * ((energy - 0.9) ** 2 + (response - 0.1) ** 2))


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"energy": None}, "there is no goal"),
        ({"energy": 2.5}, r"objective\.energy must lie in \[0, 2\]"),
        ({"response": -0.1}, r"objective\.response must lie"),
        ({"weight": 0}, r"objective\.weight must be positive"),
    ],
)
def test_goals_out_of_range(choices: dict[str, float | None], message: str) -> None:
    with pytest.raises(FaceGeomError, match=message):
        Energy(**choices)  # type: ignore[arg-type]
