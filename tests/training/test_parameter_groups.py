from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel, ModelCard, build_backbone
from facegeom_lit.training.parameter_groups import parameter_groups
from facegeom_lit.training.schedule import rate_factor

RATES = {"lr": 1.0, "head_lr": 9.0, "layer_decay": 0.5, "weight_decay": 0.1}


def small_model() -> FaceModel:
    arguments = {"width": 0.25, "dimension": 16}
    backbone = build_backbone("mobilefacenet", **arguments)
    return FaceModel(backbone, ModelCard("m", "mobilefacenet", 16, arguments))


def test_every_trainable_parameter_once() -> None:
    model, head = small_model(), nn.Linear(16, 3)
    groups = parameter_groups(model, [head], **RATES)
    grouped = [id(p) for group in groups for p in group["params"]]
    wanted = [id(p) for m in (model, head) for p in m.parameters() if p.requires_grad]
    assert sorted(grouped) == sorted(wanted)


def test_rates_fall_towards_the_input_and_vectors_do_not_decay() -> None:
    model = small_model()
    groups = parameter_groups(model, [nn.Linear(16, 3)], **RATES)
    names = [name for name, _ in model.stages()]
    rates = {g["name"].removeprefix("backbone.").removesuffix("/vectors"): g["lr"] for g in groups}
    for depth, name in enumerate(names):
        if name in rates:
            assert rates[name] == pytest.approx(0.5 ** (len(names) - 1 - depth))
    assert rates["head.0"] == 9.0
    for group in groups:
        flat = all(p.dim() <= 1 for p in group["params"])
        assert group["weight_decay"] == (0.0 if flat else 0.1)


def test_frozen_parameters_are_left_out_and_nothing_left_is_an_error() -> None:
    model = small_model().requires_grad_(False)
    assert {g["name"] for g in parameter_groups(model, [nn.Linear(16, 3)], **RATES)} == {
        "head.0",
        "head.0/vectors",
    }
    with pytest.raises(FaceGeomError, match="nothing to train"):
        parameter_groups(model, [], **RATES)


@pytest.mark.parametrize("decay", [0.0, 1.5])
def test_bad_layer_decay_names_its_key(decay: float) -> None:
    with pytest.raises(FaceGeomError, match=r"training\.layer_decay"):
        parameter_groups(small_model(), [], **{**RATES, "layer_decay": decay})


def test_schedule_ends_at_nothing() -> None:
    factors = [rate_factor(step, start=0, warmup=3, total=50) for step in range(51)]
    assert max(factors) == 1.0
    assert factors[50] == pytest.approx(0)
    assert all(a >= b for a, b in pairwise(factors[3:]))


def test_a_start_beyond_the_end_keeps_the_group_at_rest() -> None:
    assert rate_factor(5, start=10, warmup=0, total=10) == 0
    assert torch.isfinite(torch.tensor(rate_factor(10, start=10, warmup=0, total=10)))
