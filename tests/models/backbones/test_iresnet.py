from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import build_backbone

# Layers of arcface_torch's networks: (blocks of the four layers, parameters).
PUBLISHED = {
    "iresnet18": ((2, 2, 2, 2), 24_025_600),
    "iresnet34": ((3, 4, 6, 3), 34_139_328),
    "iresnet50": ((3, 4, 14, 3), 43_590_848),
    "iresnet100": ((3, 13, 30, 3), 65_156_160),
}


def published_shapes(blocks: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of a `backbone.pth`, written out independently."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (channels,)
        shapes[f"{name}.num_batches_tracked"] = ()

    shapes["conv1.weight"] = (64, 3, 3, 3)
    norm("bn1", 64)
    shapes["prelu.weight"] = (64,)
    inputs = 64
    for layer, (outputs, count) in enumerate(zip((64, 128, 256, 512), blocks, strict=True), 1):
        for block in range(count):
            at = f"layer{layer}.{block}"
            norm(f"{at}.bn1", inputs)
            shapes[f"{at}.conv1.weight"] = (outputs, inputs, 3, 3)
            norm(f"{at}.bn2", outputs)
            shapes[f"{at}.prelu.weight"] = (outputs,)
            shapes[f"{at}.conv2.weight"] = (outputs, outputs, 3, 3)
            norm(f"{at}.bn3", outputs)
            if block == 0:
                shapes[f"{at}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                norm(f"{at}.downsample.1", outputs)
            inputs = outputs
    norm("bn2", 512)
    shapes["fc.weight"], shapes["fc.bias"] = (512, 512 * 7 * 7), (512,)
    norm("features", 512)
    return shapes


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_layout_is_the_published_one(architecture: str) -> None:
    blocks, parameters = PUBLISHED[architecture]
    with torch.device("meta"):
        backbone = build_backbone(architecture)
    found = {name: tuple(tensor.shape) for name, tensor in backbone.state_dict().items()}
    assert found == published_shapes(blocks)
    assert sum(parameter.numel() for parameter in backbone.parameters()) == parameters


def test_last_norm_only_centres() -> None:
    backbone = build_backbone("iresnet18", width=0.25)
    assert not backbone.features.weight.requires_grad
    assert bool((backbone.features.weight == 1).all())
    frozen = [name for name, p in backbone.named_parameters() if not p.requires_grad]
    assert frozen == ["features.weight"]


def test_strides_halve_in_the_second_convolution_of_each_first_block() -> None:
    backbone = build_backbone("iresnet18", width=0.25)
    assert backbone.conv1.stride == (1, 1)
    for layer in (backbone.layer1, backbone.layer2, backbone.layer3, backbone.layer4):
        assert [block.conv1.stride for block in layer] == [(1, 1), (1, 1)]
        assert [block.conv2.stride for block in layer] == [(2, 2), (1, 1)]


def test_small_default_is_under_four_megabytes() -> None:
    backbone = build_backbone("iresnet18", dimension=128, width=0.25, stem_stride=2)
    assert sum(4 * tensor.numel() for tensor in backbone.state_dict().values()) < 4_000_000


def test_bad_arguments_are_named() -> None:
    with pytest.raises(FaceGeomError, match="width"):
        build_backbone("iresnet18", width=0)
    with pytest.raises(FaceGeomError, match="stem_stride"):
        build_backbone("iresnet18", width=0.25, stem_stride=3)


def test_relatives_of_the_published_network() -> None:
    small = {"width": 0.25, "dimension": 16}
    plain = build_backbone("iresnet18", **small)
    pooled = build_backbone("iresnet18", **small, shortcut="pool")
    gone = set(plain.state_dict()) - set(pooled.state_dict())
    assert {name.rpartition(".")[0] for name in gone} == {
        "layer1.0.downsample.0",
        "layer1.0.downsample.1",
    }
    images = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(pooled.layer1[0].downsample(images), images[:, :, ::2, ::2])
    bare = build_backbone("iresnet18", **small, inner_norm=False)
    assert not any("bn2" in name for name in bare.state_dict() if name.startswith("layer"))
    squeezed = build_backbone("iresnet18", **small, squeeze=True)
    added = set(squeezed.state_dict()) - set(plain.state_dict())
    assert len(added) == 2 * 8
    eps = {
        m.eps for m in build_backbone("iresnet18", **small, eps=2e-5).modules() if hasattr(m, "eps")
    }
    assert eps == {2e-5}
    with pytest.raises(FaceGeomError, match="`shortcut` must be one of"):
        build_backbone("iresnet18", shortcut="max")
