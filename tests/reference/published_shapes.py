"""Names and shapes of the tensors that published networks are saved with, written out by hand."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
IR_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 14, 3), 101: (3, 13, 30, 3)}


def norm(name: str, channels: int, affine: bool = True) -> Shapes:
    shapes: Shapes = {}
    if affine:
        shapes |= {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}
    shapes |= {f"{name}.running_mean": (channels,), f"{name}.running_var": (channels,)}
    return shapes | {f"{name}.num_batches_tracked": ()}


def iresnet(blocks: Iterable[int], stem: int = 64, dimension: int = 512) -> Shapes:
    """arcface_torch and MagFace."""
    shapes: Shapes = {"conv1.weight": (stem, 3, 3, 3), **norm("bn1", stem)}
    shapes["prelu.weight"] = (stem,)
    inputs = stem
    for layer, count in enumerate(blocks, 1):
        outputs = stem * 2 ** (layer - 1)
        for block in range(count):
            at = f"layer{layer}.{block}"
            shapes |= norm(f"{at}.bn1", inputs)
            shapes[f"{at}.conv1.weight"] = (outputs, inputs, 3, 3)
            shapes |= norm(f"{at}.bn2", outputs)
            shapes[f"{at}.prelu.weight"] = (outputs,)
            shapes[f"{at}.conv2.weight"] = (outputs, outputs, 3, 3)
            shapes |= norm(f"{at}.bn3", outputs)
            if block == 0:
                shapes[f"{at}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                shapes |= norm(f"{at}.downsample.1", outputs)
            inputs = outputs
    shapes |= norm("bn2", inputs)
    shapes |= {"fc.weight": (dimension, inputs * 49), "fc.bias": (dimension,)}
    return shapes | norm("features", dimension)


def ir(
    blocks: Iterable[int],
    stem: int = 64,
    dimension: int = 512,
    inner: bool = True,
    squeeze: str = "",
    affine: bool = False,
) -> Shapes:
    """AdaFace and CVLFace; with `inner=False`, `affine=True` InsightFace_Pytorch.

    Args:
        squeeze: Name of the squeeze-and-excitation block in a branch; empty for none.
    """
    shapes: Shapes = {"input_layer.0.weight": (stem, 3, 3, 3), **norm("input_layer.1", stem)}
    shapes["input_layer.2.weight"] = (stem,)
    inputs, number = stem, 0
    for layer, count in enumerate(blocks):
        outputs = stem * 2**layer
        for _ in range(count):
            at = f"body.{number}.res_layer"
            shapes |= norm(f"{at}.0", inputs)
            shapes[f"{at}.1.weight"] = (outputs, inputs, 3, 3)
            if inner:
                shapes |= norm(f"{at}.2", outputs)
            position = 3 if inner else 2
            shapes[f"{at}.{position}.weight"] = (outputs,)
            shapes[f"{at}.{position + 1}.weight"] = (outputs, outputs, 3, 3)
            shapes |= norm(f"{at}.{position + 2}", outputs)
            if squeeze:
                shapes[f"{at}.{squeeze}.fc1.weight"] = (outputs // 16, outputs, 1, 1)
                shapes[f"{at}.{squeeze}.fc2.weight"] = (outputs, outputs // 16, 1, 1)
            if inputs != outputs:
                shapes[f"body.{number}.shortcut_layer.0.weight"] = (outputs, inputs, 1, 1)
                shapes |= norm(f"body.{number}.shortcut_layer.1", outputs)
            inputs, number = outputs, number + 1
    shapes |= norm("output_layer.0", inputs)
    shapes["output_layer.3.weight"] = (dimension, inputs * 49)
    shapes["output_layer.3.bias"] = (dimension,)
    return shapes | norm("output_layer.4", dimension, affine)


def mobilefacenet(dimension: int = 512) -> Shapes:
    """InsightFace_Pytorch's MobileFaceNet."""
    shapes: Shapes = {}

    def unit(name: str, outputs: int, inputs: int, kernel: int, act: bool = True) -> None:
        shapes[f"{name}.conv.weight"] = (outputs, inputs, kernel, kernel)
        shapes.update(norm(f"{name}.bn", outputs))
        if act:
            shapes[f"{name}.prelu.weight"] = (outputs,)

    def bottleneck(name: str, inputs: int, hidden: int, outputs: int) -> None:
        unit(f"{name}.conv", hidden, inputs, 1)
        unit(f"{name}.conv_dw", hidden, 1, 3)
        unit(f"{name}.project", outputs, hidden, 1, act=False)

    unit("conv1", 64, 3, 3)
    unit("conv2_dw", 64, 1, 3)
    bottleneck("conv_23", 64, 128, 64)
    for i in range(4):
        bottleneck(f"conv_3.model.{i}", 64, 128, 64)
    bottleneck("conv_34", 64, 256, 128)
    for i in range(6):
        bottleneck(f"conv_4.model.{i}", 128, 256, 128)
    bottleneck("conv_45", 128, 512, 128)
    for i in range(2):
        bottleneck(f"conv_5.model.{i}", 128, 256, 128)
    unit("conv_6_sep", 512, 128, 1)
    unit("conv_6_dw", 512, 1, 7, act=False)
    shapes["linear.weight"] = (dimension, 512)
    return shapes | norm("bn", dimension)


def mbf(blocks: tuple[int, ...], scale: int, dimension: int = 512) -> Shapes:
    """arcface_torch's `mbf` (blocks 1, 4, 6, 2, scale 2) and `mbf_large` (2, 8, 12, 4, scale 4)."""
    shapes: Shapes = {}

    def unit(name: str, outputs: int, inputs: int, kernel: int, act: bool = True) -> None:
        shapes[f"{name}.layers.0.weight"] = (outputs, inputs, kernel, kernel)
        shapes.update(norm(f"{name}.layers.1", outputs))
        if act:
            shapes[f"{name}.layers.2.weight"] = (outputs,)

    def bottleneck(name: str, inputs: int, hidden: int, outputs: int) -> None:
        unit(f"{name}.layers.0", hidden, inputs, 1)
        unit(f"{name}.layers.1", hidden, 1, 3)
        unit(f"{name}.layers.2", outputs, hidden, 1, act=False)

    narrow, wide = 64 * scale, 128 * scale
    unit("layers.0", narrow, 3, 3)
    if blocks[0] == 1:
        unit("layers.1", narrow, narrow // 64, 3)
    else:
        for i in range(blocks[0]):
            bottleneck(f"layers.1.layers.{i}", narrow, 128, narrow)
    stages = ((narrow, 128, narrow, 128), (narrow, 256, wide, 256), (wide, 512, wide, 256))
    for stage, (inputs, hidden, outputs, repeated) in enumerate(stages):
        bottleneck(f"layers.{2 + 2 * stage}", inputs, hidden, outputs)
        for i in range(blocks[stage + 1]):
            bottleneck(f"layers.{3 + 2 * stage}.layers.{i}", outputs, repeated, outputs)
    unit("conv_sep", 512, wide, 1)
    unit("features.layers.0", 512, 1, 7, act=False)
    shapes["features.layers.2.weight"] = (dimension, 512)
    return shapes | norm("features.layers.3", dimension)


def vit(channels: int = 256, depth: int = 12, dimension: int = 512, mask: bool = True) -> Shapes:
    """arcface_torch; with `mask=False` CVLFace's without masking."""
    shapes: Shapes = {"mask_token": (1, 1, channels)} if mask else {}
    shapes["pos_embed"] = (1, 144, channels)
    shapes |= {"patch_embed.proj.weight": (channels, 3, 9, 9), "patch_embed.proj.bias": (channels,)}
    for block in range(depth):
        at = f"blocks.{block}"
        for part in ("norm1", "norm2"):
            shapes |= {f"{at}.{part}.weight": (channels,), f"{at}.{part}.bias": (channels,)}
        shapes[f"{at}.attn.qkv.weight"] = (3 * channels, channels)
        shapes[f"{at}.attn.proj.weight"] = (channels, channels)
        shapes[f"{at}.attn.proj.bias"] = (channels,)
        shapes[f"{at}.mlp.fc1.weight"] = (4 * channels, channels)
        shapes[f"{at}.mlp.fc1.bias"] = (4 * channels,)
        shapes[f"{at}.mlp.fc2.weight"] = (channels, 4 * channels)
        shapes[f"{at}.mlp.fc2.bias"] = (channels,)
    shapes |= {"norm.weight": (channels,), "norm.bias": (channels,)}
    shapes["feature.0.weight"] = (channels, channels * 144)
    shapes |= norm("feature.1", channels)
    shapes["feature.2.weight"] = (dimension, channels)
    return shapes | norm("feature.3", dimension)


def inception_resnet_v1(classes: int = 8631) -> Shapes:
    """facenet-pytorch; 8631 classes for VGGFace2, 10575 for CASIA-WebFace."""
    shapes: Shapes = {}

    def unit(name: str, outputs: int, inputs: int, height: int, width: int | None = None) -> None:
        shapes[f"{name}.conv.weight"] = (outputs, inputs, height, width or height)
        shapes.update(norm(f"{name}.bn", outputs))

    def residual(name: str, channels: int, joined: int) -> None:
        shapes[f"{name}.conv2d.weight"] = (channels, joined, 1, 1)
        shapes[f"{name}.conv2d.bias"] = (channels,)

    for name, outputs, inputs, kernel in (
        ("1a", 32, 3, 3),
        ("2a", 32, 32, 3),
        ("2b", 64, 32, 3),
        ("3b", 80, 64, 1),
        ("4a", 192, 80, 3),
        ("4b", 256, 192, 3),
    ):
        unit(f"conv2d_{name}", outputs, inputs, kernel)
    for i in range(5):
        at = f"repeat_1.{i}"
        unit(f"{at}.branch0", 32, 256, 1)
        for branch, layers in ((1, 2), (2, 3)):
            unit(f"{at}.branch{branch}.0", 32, 256, 1)
            for layer in range(1, layers):
                unit(f"{at}.branch{branch}.{layer}", 32, 32, 3)
        residual(at, 256, 96)
    unit("mixed_6a.branch0", 384, 256, 3)
    unit("mixed_6a.branch1.0", 192, 256, 1)
    unit("mixed_6a.branch1.1", 192, 192, 3)
    unit("mixed_6a.branch1.2", 256, 192, 3)
    for i in range(10):
        at = f"repeat_2.{i}"
        unit(f"{at}.branch0", 128, 896, 1)
        unit(f"{at}.branch1.0", 128, 896, 1)
        unit(f"{at}.branch1.1", 128, 128, 1, 7)
        unit(f"{at}.branch1.2", 128, 128, 7, 1)
        residual(at, 896, 256)
    unit("mixed_7a.branch0.0", 256, 896, 1)
    unit("mixed_7a.branch0.1", 384, 256, 3)
    unit("mixed_7a.branch1.0", 256, 896, 1)
    unit("mixed_7a.branch1.1", 256, 256, 3)
    unit("mixed_7a.branch2.0", 256, 896, 1)
    unit("mixed_7a.branch2.1", 256, 256, 3)
    unit("mixed_7a.branch2.2", 256, 256, 3)
    for at in (*(f"repeat_3.{i}" for i in range(5)), "block8"):
        unit(f"{at}.branch0", 192, 1792, 1)
        unit(f"{at}.branch1.0", 192, 1792, 1)
        unit(f"{at}.branch1.1", 192, 192, 1, 3)
        unit(f"{at}.branch1.2", 192, 192, 3, 1)
        residual(at, 1792, 384)
    shapes["last_linear.weight"] = (512, 1792)
    shapes |= norm("last_bn", 512)
    if classes:
        shapes |= {"logits.weight": (classes, 512), "logits.bias": (classes,)}
    return shapes


def parameters(shapes: Shapes) -> int:
    """How many parameters the shapes have; running statistics and counters are none."""
    return sum(
        int(torch.Size(shape).numel())
        for name, shape in shapes.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )


def random_state(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Weights of a plausible size, with other running statistics than a fresh network has."""
    draw = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        leaf = name.rpartition(".")[2]
        if leaf == "num_batches_tracked":
            state[name] = torch.tensor(7)
        elif leaf == "running_var" or (leaf == "weight" and len(shape) == 1):
            state[name] = 0.5 + torch.rand(shape, generator=draw)
        elif leaf in ("bias", "running_mean") or len(shape) < 2:
            state[name] = 0.1 * torch.randn(shape, generator=draw)
        else:
            fan = int(torch.Size(shape[1:]).numel())
            state[name] = torch.randn(shape, generator=draw) / fan**0.5
    return state
