"""What published networks compute, from their tensors by their published names, without modules."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]


def normed(s: State, at: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    shape = (1, -1, *(1,) * (x.ndim - 2))
    mean, var = s[f"{at}.running_mean"].view(shape), s[f"{at}.running_var"].view(shape)
    out = (x - mean) / torch.sqrt(var + eps)
    if f"{at}.weight" in s:
        out = out * s[f"{at}.weight"].view(shape) + s[f"{at}.bias"].view(shape)
    return out


def layer_normed(s: State, at: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    unit = centred / torch.sqrt(centred.square().mean(-1, keepdim=True) + 1e-5)
    return unit * s[f"{at}.weight"] + s[f"{at}.bias"]


def prelu(s: State, at: str, x: Tensor) -> Tensor:
    return torch.where(x >= 0, x, x * s[f"{at}.weight"].view(1, -1, 1, 1))


def conv(s: State, at: str, x: Tensor, stride: int = 1, padding: object = 0) -> Tensor:
    weight = s[f"{at}.weight"]
    groups = x.shape[1] // weight.shape[1]
    return F.conv2d(x, weight, s.get(f"{at}.bias"), stride, padding, groups=groups)


def iresnet(s: State, x: Tensor, eps: float) -> Tensor:
    x = prelu(s, "prelu", normed(s, "bn1", conv(s, "conv1", x, padding=1), eps))
    for layer in (1, 2, 3, 4):
        block = 0
        while f"layer{layer}.{block}.conv1.weight" in s:
            at, stride = f"layer{layer}.{block}", 2 if block == 0 else 1
            out = conv(s, f"{at}.conv1", normed(s, f"{at}.bn1", x, eps), padding=1)
            out = normed(s, f"{at}.bn2", out, eps)
            out = conv(s, f"{at}.conv2", prelu(s, f"{at}.prelu", out), stride, 1)
            out = normed(s, f"{at}.bn3", out, eps)
            if block == 0:
                x = normed(s, f"{at}.downsample.1", conv(s, f"{at}.downsample.0", x, 2), eps)
            x, block = x + out, block + 1
    x = normed(s, "bn2", x, eps).flatten(1) @ s["fc.weight"].T + s["fc.bias"]
    return normed(s, "features", x, eps)


def ir(s: State, x: Tensor, starts: tuple[int, ...], inner: bool, squeeze: str = "") -> Tensor:
    """Args: starts: number of the first block of each layer, where the map is halved."""
    x = normed(s, "input_layer.1", conv(s, "input_layer.0", x, padding=1))
    x = prelu(s, "input_layer.2", x)
    number = 0
    while f"body.{number}.res_layer.1.weight" in s:
        at, stride = f"body.{number}.res_layer", 2 if number in starts else 1
        out = conv(s, f"{at}.1", normed(s, f"{at}.0", x), padding=1)
        if inner:
            out = normed(s, f"{at}.2", out)
        position = 3 if inner else 2
        out = conv(s, f"{at}.{position + 1}", prelu(s, f"{at}.{position}", out), stride, 1)
        out = normed(s, f"{at}.{position + 2}", out)
        if squeeze:
            waist = conv(s, f"{at}.{squeeze}.fc1", F.adaptive_avg_pool2d(out, 1)).clamp(min=0)
            out = out * torch.sigmoid(conv(s, f"{at}.{squeeze}.fc2", waist))
        shortcut = f"body.{number}.shortcut_layer"
        if f"{shortcut}.0.weight" in s:
            x = normed(s, f"{shortcut}.1", conv(s, f"{shortcut}.0", x, stride))
        else:
            x = F.max_pool2d(x, 1, stride)
        x, number = x + out, number + 1
    x = normed(s, "output_layer.0", x).flatten(1)
    x = x @ s["output_layer.3.weight"].T + s["output_layer.3.bias"]
    return normed(s, "output_layer.4", x)


def mobilefacenet(s: State, x: Tensor) -> Tensor:
    def unit(at: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        x = normed(s, f"{at}.bn", conv(s, f"{at}.conv", x, stride, padding))
        return prelu(s, f"{at}.prelu", x) if f"{at}.prelu.weight" in s else x

    def bottleneck(at: str, x: Tensor, stride: int) -> Tensor:
        out = unit(f"{at}.conv_dw", unit(f"{at}.conv", x), stride, 1)
        return unit(f"{at}.project", out)

    x = unit("conv2_dw", unit("conv1", x, 2, 1), 1, 1)
    for down, run in (("conv_23", "conv_3"), ("conv_34", "conv_4"), ("conv_45", "conv_5")):
        x, i = bottleneck(down, x, 2), 0
        while f"{run}.model.{i}.conv.conv.weight" in s:
            x, i = x + bottleneck(f"{run}.model.{i}", x, 1), i + 1
    x = unit("conv_6_dw", unit("conv_6_sep", x)).flatten(1)
    return F.normalize(normed(s, "bn", x @ s["linear.weight"].T))


def mbf(s: State, x: Tensor) -> Tensor:
    def unit(at: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        x = normed(s, f"{at}.layers.1", conv(s, f"{at}.layers.0", x, stride, padding))
        return prelu(s, f"{at}.layers.2", x) if f"{at}.layers.2.weight" in s else x

    def bottleneck(at: str, x: Tensor, stride: int) -> Tensor:
        out = unit(f"{at}.layers.1", unit(f"{at}.layers.0", x), stride, 1)
        return unit(f"{at}.layers.2", out)

    def run(at: str, x: Tensor) -> Tensor:
        i = 0
        while f"{at}.layers.{i}.layers.0.layers.0.weight" in s:
            x, i = x + bottleneck(f"{at}.layers.{i}", x, 1), i + 1
        return x

    x = unit("layers.0", x, 2, 1)
    x = unit("layers.1", x, 1, 1) if "layers.1.layers.0.weight" in s else run("layers.1", x)
    for stage in (2, 4, 6):
        x = run(f"layers.{stage + 1}", bottleneck(f"layers.{stage}", x, 2))
    x = unit("features.layers.0", unit("conv_sep", x)).flatten(1)
    return normed(s, "features.layers.3", x @ s["features.layers.2.weight"].T)


def vit(s: State, x: Tensor) -> Tensor:
    x = F.conv2d(x, s["patch_embed.proj.weight"], s["patch_embed.proj.bias"], stride=9)
    x = x.flatten(2).transpose(1, 2) + s["pos_embed"]
    width, heads, block = x.shape[-1], 8, 0
    while f"blocks.{block}.attn.qkv.weight" in s:
        at = f"blocks.{block}"
        mixed = layer_normed(s, f"{at}.norm1", x) @ s[f"{at}.attn.qkv.weight"].T
        out = []
        for head in range(heads):
            first, last = head * width // heads, (head + 1) * width // heads
            q, k, v = (mixed[..., part * width :][..., first:last] for part in range(3))
            out.append(torch.softmax(q @ k.mT * (width // heads) ** -0.5, -1) @ v)
        joined = torch.cat(out, -1) @ s[f"{at}.attn.proj.weight"].T + s[f"{at}.attn.proj.bias"]
        x = x + joined
        inside = layer_normed(s, f"{at}.norm2", x) @ s[f"{at}.mlp.fc1.weight"].T
        inside = (inside + s[f"{at}.mlp.fc1.bias"]).clamp(0, 6)
        x = x + inside @ s[f"{at}.mlp.fc2.weight"].T + s[f"{at}.mlp.fc2.bias"]
        block += 1
    x = layer_normed(s, "norm", x).flatten(1)
    x = normed(s, "feature.1", x @ s["feature.0.weight"].T, 2e-5)
    return normed(s, "feature.3", x @ s["feature.2.weight"].T, 2e-5)


def inception_resnet_v1(s: State, x: Tensor) -> Tensor:
    def unit(at: str, x: Tensor, stride: int = 1, padding: object = 0) -> Tensor:
        return normed(s, f"{at}.bn", conv(s, f"{at}.conv", x, stride, padding), 1e-3).clamp(min=0)

    def run(at: str, x: Tensor, count: int, last_stride: int = 1) -> Tensor:
        for i in range(count):
            final = i == count - 1 and last_stride == 2
            x = unit(f"{at}.{i}", x, *((2, 0) if final else (1, "same")))
        return x

    def residual(at: str, x: Tensor, branches: list[Tensor], scale: float) -> Tensor:
        return x + scale * conv(s, f"{at}.conv2d", torch.cat(branches, 1))

    x = unit("conv2d_2b", unit("conv2d_2a", unit("conv2d_1a", x, 2)), 1, 1)
    x = unit("conv2d_4a", unit("conv2d_3b", F.max_pool2d(x, 3, 2)))
    x = unit("conv2d_4b", x, 2)
    for i in range(5):
        at = f"repeat_1.{i}"
        parts = [unit(f"{at}.branch0", x), run(f"{at}.branch1", x, 2), run(f"{at}.branch2", x, 3)]
        x = residual(at, x, parts, 0.17).clamp(min=0)
    a = unit("mixed_6a.branch0", x, 2)
    x = torch.cat([a, run("mixed_6a.branch1", x, 3, 2), F.max_pool2d(x, 3, 2)], 1)
    for i in range(10):
        at = f"repeat_2.{i}"
        parts = [unit(f"{at}.branch0", x), run(f"{at}.branch1", x, 3)]
        x = residual(at, x, parts, 0.1).clamp(min=0)
    parts = [run(f"mixed_7a.branch{i}", x, count, 2) for i, count in enumerate((2, 2, 3))]
    x = torch.cat([*parts, F.max_pool2d(x, 3, 2)], 1)
    for at, scale in (*((f"repeat_3.{i}", 0.2) for i in range(5)), ("block8", 1.0)):
        parts = [unit(f"{at}.branch0", x), run(f"{at}.branch1", x, 3)]
        x = residual(at, x, parts, scale)
        x = x if at == "block8" else x.clamp(min=0)
    x = x.mean((2, 3)) @ s["last_linear.weight"].T
    return F.normalize(normed(s, "last_bn", x, 1e-3))
