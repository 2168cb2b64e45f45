from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones import ARCHITECTURES, build_backbone

SMALL = {
    "mobilefacenet": {"width": 0.25, "dimension": 32},
    "vit": {"channels": 32, "depth": 2, "dimension": 32},
    "arcface_vit": {"channels": 32, "depth": 2, "dimension": 32},
    "inception_resnet_v1": {"dimension": 32},
    "onnx_graph": {},
    "hugging_face": {
        "config": {"model_type": "resnet", "hidden_sizes": [16, 16], "depths": [1, 1]},
        "dimension": 32,
    },
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stages_hold_every_parameter_exactly_once(architecture: str) -> None:
    arguments = SMALL.get(architecture, {"width": 0.25, "dimension": 32})
    backbone = build_backbone(architecture, **arguments)
    staged = [id(p) for _, stage in backbone.stages() for p in stage.parameters()]
    assert len(staged) == len(set(staged))
    assert set(staged) == {id(p) for p in backbone.parameters()}
    names = [name for name, _ in backbone.stages()]
    assert len(names) == len(set(names))


PUBLISHED = ["iresnet18", "mobilefacenet", "vit", "arcface_vit", "inception_resnet_v1"]


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_stages_are_ordered_from_input_to_output(architecture: str) -> None:
    arguments = SMALL.get(architecture, {"width": 0.25, "dimension": 32, "stem_stride": 2})
    backbone = build_backbone(architecture, **arguments).eval()
    order: list[str] = []
    for name, stage in backbone.stages():
        for module in stage.modules():
            if not list(module.children()):
                module.register_forward_hook(lambda *_, name=name: order.append(name))
    with torch.no_grad():
        # Gradients or not, a hook on every leaf keeps attention off its fused path.
        backbone(torch.randn(1, 3, *backbone.input_size))
    first_seen = list(dict.fromkeys(order))
    assert first_seen == [name for name, _ in backbone.stages()]


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_gradients_reach_every_trained_parameter(architecture: str) -> None:
    arguments = SMALL.get(architecture, {"width": 0.25, "dimension": 32, "stem_stride": 2})
    torch.manual_seed(0)
    backbone = build_backbone(architecture, **arguments)
    embeddings = backbone(torch.randn(4, 3, *backbone.input_size))
    assert embeddings.shape == (4, backbone.dimension)
    (embeddings**3).sum().backward()
    for name, parameter in backbone.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all()), name


def test_channels_last_trains_at_the_smallest_width() -> None:
    """Torch crashes on 8-channel strided 1×1 convolutions in this format; we have none."""
    backbone = build_backbone("iresnet18", width=0.01, dimension=16, stem_stride=2)
    backbone.to(memory_format=torch.channels_last)
    images = torch.randn(2, 3, 112, 112).to(memory_format=torch.channels_last)
    backbone(images).sum().backward()


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(FaceGeomError, match="did you mean 'iresnet50'"):
        build_backbone("iresnet-50")
    with pytest.raises(FaceGeomError, match=r"no argument 'widht'.*'width'"):
        build_backbone("iresnet18", widht=0.5)
    for wrong in ({"dimension": -1}, {"window": [7]}, {"width": None}):
        with pytest.raises(FaceGeomError, match="'mobilefacenet' cannot be built"):
            build_backbone("mobilefacenet", **wrong)


def test_vit_arguments() -> None:
    with pytest.raises(FaceGeomError, match="patch"):
        build_backbone("vit", patch=15)
    with pytest.raises(FaceGeomError, match="heads"):
        build_backbone("vit", heads=5)
