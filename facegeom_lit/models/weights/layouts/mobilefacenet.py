"""MobileFaceNet in the four layouts that circulate."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from torch import Tensor

from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.weights import cards
from facegeom_lit.models.weights.layouts.layout import Draft, Layout, Tensors, count, size

# Our position of each of the fifteen bottlenecks that other layouts number through.
_BOTTLENECKS = [
    "layers.2",
    *(f"layers.3.layers.{i}" for i in range(4)),
    "layers.4",
    *(f"layers.5.layers.{i}" for i in range(6)),
    "layers.6",
    *(f"layers.7.layers.{i}" for i in range(2)),
]
_PARTS = {"conv": "layers.0", "bn": "layers.1", "prelu": "layers.2"}

PRELU_NAMES: dict[str, str] = {
    **{f"conv1.{part}": f"layers.0.{ours}" for part, ours in _PARTS.items()},
    **{f"dw_conv1.{part}": f"layers.1.{ours}" for part, ours in _PARTS.items()},
    **{
        f"blocks.{i}.conv.{position}": f"{block}.layers.{position // 3}.layers.{position % 3}"
        for i, block in enumerate(_BOTTLENECKS)
        for position in range(8)
    },
    **{f"conv2.{part}": f"conv_sep.{ours}" for part, ours in _PARTS.items()},
    "linear7.conv": "features.layers.0.layers.0",
    "linear7.bn": "features.layers.0.layers.1",
    "linear1.conv": "features.layers.2",
    "linear1.bn": "features.layers.3",
}
"""Module names of Xiaoccer/MobileFaceNet_Pytorch."""

RELU_NAMES: dict[str, str] = {
    "conv1.0": "layers.0.layers.0",
    "conv1.1": "layers.0.layers.1",
    "dw_conv.depthwise": "layers.1.0.layers.0",
    "dw_conv.bn1": "layers.1.0.layers.1",
    "dw_conv.pointwise": "layers.1.1.layers.0",
    "dw_conv.bn2": "layers.1.1.layers.1",
    **{
        f"features.{i}.conv.{theirs}": f"{block}.{ours}"
        for i, block in enumerate(_BOTTLENECKS)
        for theirs, ours in (
            ("0.0", "layers.0.layers.0"),
            ("0.1", "layers.0.layers.1"),
            ("1.0", "layers.1.layers.0"),
            ("1.1", "layers.1.layers.1"),
            ("2", "layers.2.layers.0"),
            ("3", "layers.2.layers.1"),
        )
    },
    "conv2.0": "conv_sep.layers.0",
    "conv2.1": "conv_sep.layers.1",
    "gdconv.depthwise": "features.layers.0.layers.0",
    "gdconv.bn": "features.layers.0.layers.1",
    "conv3": "features.layers.2",
    "bn": "features.layers.3",
}
"""Module names of foamliu/MobileFaceNet."""

_STAGES = {
    "conv_23": "layers.2",
    "conv_3": "layers.3",
    "conv_34": "layers.4",
    "conv_4": "layers.5",
    "conv_45": "layers.6",
    "conv_5": "layers.7",
}
STAGED_NAMES: dict[str, str] = {
    **{
        f"{theirs}.{part}": f"{ours}.{name}"
        for theirs, ours in (
            ("conv1", "layers.0"),
            ("conv2_dw", "layers.1"),
            ("conv_6_sep", "conv_sep"),
            ("conv_6_dw", "features.layers.0"),
        )
        for part, name in _PARTS.items()
    },
    **{
        f"{stage}{f'.model.{block}' if len(stage) == 6 else ''}.{step}.{part}": (
            f"{ours}{f'.layers.{block}' if len(stage) == 6 else ''}.layers.{position}.{name}"
        )
        for stage, ours in _STAGES.items()
        for block in range(6)
        for position, step in enumerate(("conv", "conv_dw", "project"))
        for part, name in _PARTS.items()
    },
    "linear": "features.layers.2",
    "bn": "features.layers.3",
}
"""Module names of TreB1eN/InsightFace_Pytorch."""


def _prelu(state: Tensors, prefix: str) -> Draft:
    card = _with_sizes(
        cards.MOBILEFACENET_PRELU_CASIA, state, "linear1.conv.weight", "linear7.conv.weight"
    )
    return Draft("Xiaoccer's MobileFaceNet", card, PRELU_NAMES, _flatten_last)


def _relu(state: Tensors, prefix: str) -> Draft:
    card = _with_sizes(
        cards.MOBILEFACENET_RELU_MS1M, state, "conv3.weight", "gdconv.depthwise.weight"
    )
    return Draft("foamliu's MobileFaceNet", card, RELU_NAMES, _flatten_last)


def _staged(state: Tensors, prefix: str) -> Draft:
    arguments = {"dimension": size(state, "linear.weight", 0, 512)}
    card = cards.insightface_pytorch("mobilefacenet", arguments)
    return Draft("InsightFace_Pytorch MobileFaceNet", card, STAGED_NAMES)


def _arcface_torch(state: Tensors, prefix: str) -> Draft:
    wide = size(state, "conv_sep.layers.0.weight", 0, 512)
    blocks = [max(1, count(state, rf"layers\.{i}\.layers\.(\d+)\.layers")) for i in (1, 3, 5, 7)]
    arguments: dict[str, Any] = {
        "dimension": size(state, "features.layers.2.weight", 0, 512),
        "scale": max(1, round(size(state, "layers.0.layers.0.weight", 0, 128) * 8 / wide)),
    }
    if wide != 512:
        arguments["width"] = wide / 512
    if blocks != [1, 4, 6, 2]:
        arguments["blocks"] = blocks
    title = "mbf" if blocks[0] == 1 else "mbf_large"
    return Draft(f"arcface_torch {title}", cards.arcface_torch("mobilefacenet", arguments))


def _with_sizes(card: ModelCard, state: Tensors, last: str, window: str) -> ModelCard:
    """The card with the embedding's length and the input's size that these weights have."""
    dimension = size(state, last, 0, card.dimension)
    height, width = (size(state, window, 2 + i, card.size[i] // 16) for i in (0, 1))
    arguments = {**card.arguments, "dimension": dimension}
    if (16 * height, 16 * width) != card.size:
        arguments["window"] = [height, width]
    return replace(card, dimension=dimension, arguments=arguments, size=(16 * height, 16 * width))


def _flatten_last(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A 1×1 convolution on a 1×1 map is the linear layer that we use."""
    last = "features.layers.2.weight"
    return state | {last: state[last].flatten(1)} if last in state else state


MOBILEFACENETS = (
    Layout(
        re.compile(
            r"((conv1|dw_conv1|conv2|linear7|linear1)\.(conv|bn|prelu)|blocks\.\d+\.conv\.\d+)\.\w+"
        ),
        _prelu,
    ),
    Layout(
        re.compile(
            r"((conv1|conv2)\.[012]|dw_conv\.(depthwise|pointwise|bn[12])"
            r"|features\.\d+\.conv\.\d+(\.\d+)?|gdconv\.(depthwise|bn)|conv3|bn)\.\w+"
        ),
        _relu,
    ),
    Layout(
        re.compile(
            r"((conv1|conv2_dw|conv_6_sep|conv_6_dw)\.(conv|bn|prelu)"
            r"|conv_(23|34|45|3\.model\.\d+|4\.model\.\d+|5\.model\.\d+)"
            r"\.(conv|conv_dw|project)\.(conv|bn|prelu)|linear|bn)\.\w+"
        ),
        _staged,
    ),
    Layout(
        re.compile(r"(layers\.\d+\.layers(\.\d+)?|conv_sep\.layers|features\.layers)\.[\w.]+"),
        _arcface_torch,
    ),
)
