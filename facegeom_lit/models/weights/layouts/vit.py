"""The ViT of InsightFace's `arcface_torch` and of CVLFace: our own names."""

from __future__ import annotations

import re
from typing import Any

from facegeom_lit.models.weights import cards
from facegeom_lit.models.weights.layouts.layout import Draft, Layout, Tensors, count, size

_SIZES = {(256, 12): "vit_t", (512, 12): "vit_s", (512, 24): "vit_b", (768, 24): "vit_l"}


def _draft(state: Tensors, prefix: str) -> Draft:
    channels = size(state, "patch_embed.proj.weight", 0, size(state, "pos_embed", 2, 256))
    depth = count(state, r"blocks\.(\d+)\.")
    arguments: dict[str, Any] = {
        "dimension": size(state, "feature.2.weight", 0, 512),
        "channels": channels,
        "depth": depth,
    }
    patch = size(state, "patch_embed.proj.weight", 2, 9)
    if patch != 9:
        arguments["patch"] = patch
    if "mask_token" not in state:
        arguments["mask_ratio"] = 0.0
    name = _SIZES.get((channels, depth), "ViT")
    if "net." in prefix:
        return Draft(f"CVLFace {name}", cards.cvlface("arcface_vit", arguments))
    return Draft(f"arcface_torch {name}", cards.arcface_torch("arcface_vit", arguments))


VIT = Layout(
    re.compile(
        r"mask_token|pos_embed|(patch_embed\.proj|norm|feature\.[0-3]"
        r"|blocks\.\d+\.(norm[12]|attn\.(qkv|proj)|mlp\.fc[12]))\.\w+"
    ),
    _draft,
)
"""Published by deepinsight/insightface (recognition/arcface_torch/backbones/vit.py) and
mk-minchul/CVLface (models/vit/vit.py)."""
