from __future__ import annotations

import pytest
import torch

from facegeom_lit.models import FaceModel, ModelCard, weights_hash
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.models.embed import model_hash

VIT = {
    "model_type": "vit",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 32,
    "patch_size": 16,
}


def build(architecture: str, **arguments: object) -> FaceModel:
    torch.manual_seed(0)
    backbone = build_backbone(architecture, **arguments)
    facts = {"size": backbone.input_size, "fit": "resize", "dimension": backbone.dimension}
    return FaceModel(backbone, ModelCard("m", architecture, arguments=arguments, **facts)).eval()


@pytest.mark.parametrize(
    ("architecture", "arguments", "key", "others"),
    [
        ("hugging_face", {"config": VIT, "size": [32, 32]}, "pooling", ("cls", "mean")),
        ("arcface_vit", {"channels": 64, "depth": 1}, "heads", (4, 8)),
    ],
)
def test_equal_weights_of_two_networks_are_two_models(
    architecture: str, arguments: dict[str, object], key: str, others: tuple[object, object]
) -> None:
    first, second = (build(architecture, **arguments, **{key: value}) for value in others)
    assert weights_hash(first) == weights_hash(second)
    images = torch.randint(256, (2, 3, 112, 112), dtype=torch.uint8)
    with torch.inference_mode():
        assert not torch.allclose(first(images), second(images))
    assert model_hash(first) != model_hash(second)


def test_a_default_that_is_spelt_out_makes_no_other_model() -> None:
    short, long = (
        build("mobilefacenet", width=0.25),
        build("mobilefacenet", width=0.25, dimension=128),
    )
    assert model_hash(short) == model_hash(long)
