from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel, build_face_model
from facegeom_lit.training.tuning import add_lora, freeze_stages, merge_lora

TINY: dict[str, dict[str, Any]] = {
    "mobilefacenet": {"width": 0.25},
    "iresnet18": {"width": 0.125},
    "vit": {"depth": 2},
}


@pytest.fixture(params=TINY)
def model(request: pytest.FixtureRequest) -> FaceModel:
    torch.manual_seed(0)
    return build_face_model("tiny", request.param, TINY[request.param]).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randint(0, 256, (4, 3, 112, 112), dtype=torch.uint8)


def lora(model: FaceModel, **choices: Any) -> list[str]:
    return add_lora(model, **{"rank": 2, "alpha": 4.0, "dropout": 0.0, **choices})


def learn(model: FaceModel, images: Tensor, steps: int = 3) -> None:
    """Turn the embeddings towards random directions."""
    target = torch.randn(len(images), model.card.dimension)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, 0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        (-F.cosine_similarity(model(images), target).mean()).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()


@torch.inference_mode()
def embedded(model: FaceModel, images: Tensor) -> Tensor:
    return model(images)


def test_new_adapters_change_nothing(model: FaceModel, images: Tensor) -> None:
    before = embedded(model, images)
    lora(model)
    torch.testing.assert_close(embedded(model, images), before, rtol=1e-5, atol=1e-5)


def test_only_adapters_learn_and_each_does(model: FaceModel, images: Tensor) -> None:
    lora(model)
    learn(model, images, steps=2)  # one factor of a new adapter is zero: two steps reach both
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)
    assert all(p.grad is not None and bool(p.grad.any()) for p in trained.values())


def test_merged_model_embeds_alike_in_the_old_form(model: FaceModel, images: Tensor) -> None:
    names = set(model.state_dict())
    before = embedded(model, images)
    lora(model)
    learn(model, images)
    after = embedded(model, images)
    merged = merge_lora(model)
    assert set(merged.state_dict()) == names
    assert float((F.normalize(after) - F.normalize(before)).abs().max()) > 1e-3
    torch.testing.assert_close(
        F.normalize(embedded(merged, images)), F.normalize(after), rtol=1e-4, atol=1e-5
    )
    # and training may go on
    torch.testing.assert_close(embedded(model, images), after)


def test_evaluation_sees_the_adapters(model: FaceModel, images: Tensor) -> None:
    """Torch's transformer layers have a path for evaluation that reads the bare weights."""
    lora(model)
    learn(model, images)
    torch.testing.assert_close(
        embedded(model, images), model(images).detach(), rtol=1e-4, atol=1e-4
    )


def test_frozen_stages_get_no_adapters(model: FaceModel) -> None:
    first = model.stages()[0][0]
    everywhere = set(lora(build_like(model)))
    left = set(lora(model, frozen=[first]))
    assert left < everywhere


def build_like(model: FaceModel) -> FaceModel:
    return build_face_model("tiny", model.card.architecture, model.card.arguments)


def test_grouped_convolutions_are_left_alone() -> None:
    model = build_face_model("tiny", "mobilefacenet", {"width": 0.25})
    modules = dict(model.backbone.named_modules())
    adapted = [modules[name] for name in lora(model)]
    assert all(getattr(module, "groups", 1) == 1 for module in adapted)


def test_merging_without_adapters_is_the_model_itself(model: FaceModel) -> None:
    assert merge_lora(model) is model


@pytest.mark.parametrize(
    ("choice", "still"),
    [
        (0, []),
        (2, ["stem", "layer1"]),
        (-1, ["stem", "layer1", "layer2", "layer3", "layer4"]),
        (["layer1"], ["layer1"]),
    ],
)
def test_frozen_stages(choice: int | list[str], still: list[str]) -> None:
    model = build_face_model("tiny", "iresnet18", {"width": 0.125})
    assert freeze_stages(model, choice) == still
    for name, stage in model.stages():
        assert any(p.requires_grad for p in stage.parameters()) == (name not in still)


@pytest.mark.parametrize(
    ("frozen", "says"),
    [
        (7, "has 6 stages: stem"),
        (["leyer1"], "'leyer1'"),
        (-9, "6 stages"),
        *((wrong, "must be a whole number or a list of stages") for wrong in (None, 1.5, "stem")),
    ],
)
def test_unknown_stages(frozen: Any, says: str) -> None:
    model = build_face_model("tiny", "iresnet18", {"width": 0.125})
    with pytest.raises(FaceGeomError, match=says):
        freeze_stages(model, frozen)


@pytest.mark.parametrize("wrong", [{"rank": 0}, {"alpha": 0.0}, {"dropout": 1.0}])
def test_values_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(FaceGeomError, match=r"tuning\.lora"):
        lora(build_face_model("tiny", "mobilefacenet", {"width": 0.25}), **wrong)


def test_nothing_to_adapt() -> None:
    model = build_face_model("tiny", "mobilefacenet", {"width": 0.25})
    with pytest.raises(FaceGeomError, match="tuning=full"):
        lora(model, frozen=[name for name, _ in model.stages()])


def test_broken_adapter_is_named() -> None:
    model = build_face_model("tiny", "mobilefacenet", {"width": 0.25})
    lora(model)
    with torch.no_grad():
        next(p for n, p in model.named_parameters() if "lora_B" in n).fill_(torch.nan)
    with pytest.raises(FaceGeomError, match="NaN"):
        merge_lora(model)


def test_layers_of_like_names_are_told_apart() -> None:
    """`fc` must not also choose every other layer whose name ends in fc."""
    model = build_face_model("tiny", "iresnet18", {"width": 0.125})
    adapted = lora(model, frozen=[n for n, _ in model.stages() if n != "embedding"])
    assert adapted == ["fc"]
    assert sum(isinstance(m, nn.Linear) for m in model.modules()) >= 1
    assert {n.split(".lora_")[0] for n, p in model.named_parameters() if p.requires_grad} == {
        "backbone.fc"
    }
