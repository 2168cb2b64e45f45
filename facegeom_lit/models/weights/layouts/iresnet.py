"""IResNet as InsightFace's `arcface_torch` and MagFace name it: our own names."""

from __future__ import annotations

import re
from typing import Any

from facegeom_lit.models.backbones.iresnet import BLOCKS
from facegeom_lit.models.weights import cards
from facegeom_lit.models.weights.layouts.layout import Draft, Layout, Tensors, count, size


def nearest_blocks(found: tuple[int, ...]) -> str:
    """The architecture whose blocks in the four layers differ least from those found.

    Example:
        >>> nearest_blocks((3, 4, 13, 3))
        'iresnet50'
    """
    return min(
        BLOCKS,
        key=lambda name: sum(abs(a - b) for a, b in zip(BLOCKS[name], found, strict=True)),
    )


def width_arguments(stem: int, flat: int) -> dict[str, Any]:
    """Arguments of an `IResNet` that is not of the published width.

    Args:
        stem: Channels of the first convolution; 64 as published.
        flat: Inputs of the linear layer: channels of the last map times its pixels.

    Example:
        >>> width_arguments(64, 512 * 7 * 7), width_arguments(16, 128 * 4 * 4)
        ({}, {'width': 0.25, 'stem_stride': 2})
    """
    arguments: dict[str, Any] = {} if stem == 64 else {"width": stem / 64}
    return arguments | ({"stem_stride": 2} if flat == 8 * stem * 4 * 4 else {})


def _draft(state: Tensors, prefix: str) -> Draft:
    blocks = tuple(count(state, rf"layer{layer}\.(\d+)\.") for layer in (1, 2, 3, 4))
    architecture = nearest_blocks(blocks)
    stem = size(state, "conv1.weight", 0, 64)
    arguments: dict[str, Any] = {
        "dimension": size(state, "fc.weight", 0, 512),
        **width_arguments(stem, size(state, "fc.weight", 1, 8 * stem * 49)),
    }
    if "features." in prefix:
        # Only MagFace keeps its network under that name; its epsilon is its own.
        return Draft(
            f"MagFace {architecture}", cards.magface(architecture, {**arguments, "eps": 2e-5})
        )
    return Draft(f"arcface_torch {architecture}", cards.arcface_torch(architecture, arguments))


IRESNET = Layout(
    re.compile(
        r"(conv1|bn1|prelu|bn2|fc|features"
        r"|layer[1-4]\.\d+\.(bn1|conv1|bn2|prelu|conv2|bn3|downsample\.[01]))\.\w+"
    ),
    _draft,
)
"""Published as `backbone.pth` (deepinsight/insightface, recognition/arcface_torch/backbones/
iresnet.py) and by IrvingMeng/MagFace (models/iresnet.py)."""
