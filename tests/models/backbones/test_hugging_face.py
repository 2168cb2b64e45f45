from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.hugging_face import HuggingFace, plain_config
from facegeom_lit.models.backbones.pruning import prune, unused_parameters

VIT = {
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
SAM = {
    "output_channels": 16,
    "window_size": 4,
    "global_attn_indexes": [1],
    "mlp_dim": 37,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "clip_vision_model": VIT,
    "siglip_vision_model": VIT,
    "siglip2_vision_model": VIT | {"num_patches": 16},
    "dinov2": VIT,
    "dinov2_with_registers": VIT,
    "dinov3_vit": VIT | {"num_register_tokens": 2},
    "dinov3_convnext": {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "image_size": 64},
    "sam_vision_model": VIT | SAM,
    "vit_mae": VIT,
    "vit": VIT,
    "deit": VIT,
    "beit": VIT,
    "swin": {
        "embed_dim": 16,
        "depths": [1, 1],
        "num_heads": [2, 2],
        "image_size": 32,
        "patch_size": 4,
        "window_size": 4,
    },
    "resnet": {"hidden_sizes": [8, 16], "depths": [1, 1], "image_size": 32},
    "convnext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "image_size": 32},
}


def config(model_type: str, **changes: Any) -> dict[str, Any]:
    return {"model_type": model_type, **CONFIGS[model_type], **changes}


@pytest.mark.parametrize("model_type", CONFIGS)
def test_every_trainable_parameter_has_a_gradient_and_one_stage(model_type: str) -> None:
    torch.manual_seed(0)
    backbone = HuggingFace(config(model_type), dimension=8)
    embeddings = backbone(torch.randn(3, 3, *backbone.input_size))
    assert embeddings.shape == (3, 8) == (3, backbone.dimension)
    (embeddings**3).sum().backward()
    without = [
        name for name, p in backbone.named_parameters() if p.requires_grad and p.grad is None
    ]
    assert without == []
    staged = [id(p) for _, stage in backbone.stages() for p in stage.parameters()]
    assert len(staged) == len(set(staged))
    assert set(staged) == {id(p) for p in backbone.parameters()}


@pytest.mark.parametrize("model_type", ["clip_vision_model", "swin", "resnet", "sam_vision_model"])
def test_stages_run_from_input_to_output(model_type: str) -> None:
    backbone = HuggingFace(config(model_type)).eval()
    order: list[str] = []
    for name, stage in backbone.stages():
        for module in stage.modules():
            if not list(module.children()) and list(module.parameters()):
                module.register_forward_hook(lambda *_, name=name: order.append(name))
    backbone(torch.randn(1, 3, *backbone.input_size))
    seen = list(dict.fromkeys(order))
    assert seen == [name for name, _ in backbone.stages() if name in seen]
    assert [name for name, _ in backbone.stages()][1:3] == ["block1", "block2"]


@pytest.mark.parametrize(
    ("model_type", "pooling"),
    [("dinov2", "cls"), ("vit_mae", "mean"), ("clip_vision_model", "pooler"), ("resnet", "pooler")],
)
def test_auto_is_the_published_pooling(model_type: str, pooling: str) -> None:
    assert HuggingFace(config(model_type)).pooling == pooling


@pytest.mark.parametrize(
    ("model_type", "tokens"), [("deit", 2), ("dinov2_with_registers", 5), ("dinov3_vit", 3)]
)
def test_the_mean_leaves_class_and_register_tokens_out(model_type: str, tokens: int) -> None:
    assert HuggingFace(config(model_type), "mean").prefix == tokens


def test_arguments_rebuild_the_network() -> None:
    backbone = HuggingFace(config("swin"))
    again = HuggingFace(backbone.config, backbone.pooling, None, list(backbone.input_size))
    again.load_state_dict(backbone.state_dict(), strict=True)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(backbone.eval()(images), again.eval()(images))
    assert again.config == backbone.config


def test_a_masked_autoencoder_sees_every_patch_every_time() -> None:
    backbone = HuggingFace(config("vit_mae", mask_ratio=0.75)).eval()
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(backbone(images), backbone(images))
    changed = images.clone()
    changed[:, :, 24:, 24:] += 1
    assert not torch.equal(backbone(images), backbone(changed))


@pytest.mark.parametrize("model_type", ["vit", "clip_vision_model", "siglip2_vision_model"])
def test_another_input_size_interpolates_the_positions(model_type: str) -> None:
    backbone = HuggingFace(config(model_type), size=(48, 40))
    assert backbone(torch.randn(2, 3, 48, 40)).shape == (2, 32)


def test_building_without_gradients_keeps_every_parameter() -> None:
    with torch.inference_mode():
        names = set(HuggingFace(config("vit")).state_dict())
    assert names == set(HuggingFace(config("vit")).state_dict())
    assert not any("pooler" in name for name in names)


def test_a_copy_computes_the_same() -> None:
    backbone = HuggingFace(config("clip_vision_model", projection_dim=24), "projection").eval()
    images = torch.randn(2, 3, 32, 32)
    assert backbone.dimension == 24
    assert torch.equal(copy.deepcopy(backbone)(images), backbone(images))


@pytest.mark.parametrize(
    ("given", "pooling", "message"),
    [
        (None, "auto", "model_type"),
        ({"model_type": "bert"}, "auto", "no vision encoder"),
        ({"model_type": "my_own_code", "auto_map": {"AutoModel": "x.Y"}}, "auto", "never run"),
        (config("resnet"), "cls", "no class token"),
        (config("vit_mae"), "pooler", "no pooler"),
        (config("dinov2"), "projection", "CLIP's"),
        (config("vit"), "first", "must be one of"),
        (config("vit", hidden_size="wide"), "auto", "unusable|cannot be built"),
    ],
)
def test_bad_input_is_refused(given: Any, pooling: str, message: str) -> None:
    with pytest.raises(FaceGeomError, match=message):
        HuggingFace(given, pooling)


def test_a_size_that_the_encoder_cannot_take_is_refused() -> None:
    with pytest.raises(FaceGeomError, match=r"does not take images of \(48, 48\)"):
        HuggingFace(config("sam_vision_model"), size=(48, 48))


def test_nothing_in_a_configuration_names_code() -> None:
    hostile = {
        "model_type": "vit",
        "auto_map": {"AutoModel": "evil.Model"},
        "_attn_implementation": "someone/kernel",
        "attn_implementation": "someone/kernel",
        "quantization_config": {"quant_method": "x"},
    }
    assert plain_config(hostile) == {"model_type": "vit"}
    network = HuggingFace({**config("vit"), **hostile}).network
    assert network.config._attn_implementation in ("sdpa", "eager")


def test_pruning_takes_out_what_the_output_does_not_use() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used = nn.Linear(3, 3)
            self.called_in_vain = nn.LayerNorm(3)
            self.token = nn.Parameter(torch.zeros(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.used(x)
            self.called_in_vain(x)
            return x

    network = Network()
    unused = unused_parameters(network, network(torch.randn(2, 3)))
    assert unused == {"called_in_vain.weight", "called_in_vain.bias", "token"}
    prune(network, unused)
    assert set(network.state_dict()) == {"used.weight", "used.bias"}
    assert network(torch.randn(2, 3)).shape == (2, 3)
