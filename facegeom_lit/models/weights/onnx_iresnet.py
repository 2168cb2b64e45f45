"""Recognises IResNet in an ONNX graph.

Layout of InsightFace's exports (`w600k_r50.onnx`, `glintr100.onnx`): the batch norms after
convolutions are folded into them; those at the start of each block, before the flattening and at
the end stand as nodes.
"""

from __future__ import annotations

from typing import Any

from facegeom_lit.models.backbones.backbone import CROP, scale_channels
from facegeom_lit.models.backbones.iresnet import BLOCKS
from facegeom_lit.models.weights.onnx_walk import Match, Mismatch, Walk

BASE = (64, 64, 128, 256, 512)
"""Channels of the stem and of the four layers at width 1."""


def match_iresnet(walk: Walk) -> Match:
    """Walk through an IResNet.

    Args:
        walk: At the input of a graph.

    Returns:
        What was found.

    Raises:
        Mismatch: Where the graph is not an IResNet of ours.
    """
    size = next(iter(walk.graph.inputs.values()))[2:]
    if size != (CROP, CROP):
        raise Mismatch(f"the input has {size} pixels, an IResNet takes {(CROP, CROP)}")
    stem = walk.peek("Conv")
    stride = stem.attributes.get("strides", [1, 1])[0] if stem is not None else 1
    channels = [walk.conv_norm("conv1", "bn1", (3, 3), stride, 1)]
    walk.prelu("prelu", channels[0])
    blocks: list[int] = []
    while not _is_end(walk):
        first = walk.peek("Conv") is not None  # a layer's first block brings a shortcut
        if first:
            blocks.append(0)
            channels.append(0)
        if not blocks:
            raise Mismatch("the first block has no convolution on its shortcut")
        channels[-1] = _block(walk, f"layer{len(blocks)}.{blocks[-1]}", first, channels)
        blocks[-1] += 1
    walk.norm("bn2", channels[-1])
    walk.flatten()
    bias = walk.linear("fc")
    walk.state["fc.bias"] = bias
    walk.norm("features", len(bias))
    walk.finish()
    architecture = next((name for name, known in BLOCKS.items() if known == tuple(blocks)), None)
    width = channels[-1] / BASE[-1]
    if architecture is None or channels != [scale_channels(base, width) for base in BASE]:
        raise Mismatch(f"IResNet of {blocks} blocks with {channels} channels is none of ours")
    arguments: dict[str, Any] = {"dimension": len(bias)}
    if width != 1:
        arguments["width"] = width
    if stride != 1:
        arguments["stem_stride"] = stride
    return Match(architecture, arguments, walk.state)


def _is_end(walk: Walk) -> bool:
    """Whether the next batch norm is the last one before the linear map."""
    ahead = walk.fork()
    ahead.take("BatchNormalization")
    return ahead.peek("Conv") is None


def _block(walk: Walk, name: str, first: bool, channels: list[int]) -> int:
    """Walk through one block; returns its output channels."""
    start = walk.value
    inputs = channels[-2] if first else channels[-1]
    walk.norm(f"{name}.bn1", inputs)
    hidden = walk.conv_norm(f"{name}.conv1", f"{name}.bn2", (3, 3), 1, 1)
    walk.prelu(f"{name}.prelu", hidden)
    outputs = walk.conv_norm(f"{name}.conv2", f"{name}.bn3", (3, 3), 2 if first else 1, 1)
    end = walk.value
    shortcut = start
    if first:
        walk.value = start
        walk.conv_norm(f"{name}.downsample.0", f"{name}.downsample.1", (1, 1), 2)
        shortcut, walk.value = walk.value, end
    walk.add(shortcut)
    return outputs
