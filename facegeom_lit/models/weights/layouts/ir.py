"""IR and IR-SE networks as AdaFace, CVLFace and their ancestors name them."""

from __future__ import annotations

import re
from itertools import accumulate, chain
from typing import Any

import torch
from torch import Tensor

from facegeom_lit.models.backbones.iresnet import BLOCKS
from facegeom_lit.models.weights import cards
from facegeom_lit.models.weights.layouts.iresnet import width_arguments
from facegeom_lit.models.weights.layouts.layout import Draft, Layout, Tensors, count, size

_DEPTHS = {
    "iresnet18": "18",
    "iresnet34": "34",
    "iresnet50": "50",
    "iresnet100": "101",
    "iresnet152": "152",
}
"""Depth in the published name of each architecture."""

_ENDS = {
    "input_layer.0": "conv1",
    "input_layer.1": "bn1",
    "input_layer.2": "prelu",
    "output_layer.0": "bn2",
    "output_layer.3": "fc",
    "output_layer.4": "features",
}
_SHORTCUT = {"shortcut_layer.0": "downsample.0", "shortcut_layer.1": "downsample.1"}
_BRANCH = {
    "res_layer.0": "bn1",
    "res_layer.1": "conv1",
    "res_layer.2": "bn2",
    "res_layer.3": "prelu",
    "res_layer.4": "conv2",
    "res_layer.5": "bn3",
    "res_layer.se_block.fc1": "se.fc1",
    "res_layer.se_block.fc2": "se.fc2",
}
_ANCESTORS_BRANCH = {
    "res_layer.0": "bn1",
    "res_layer.1": "conv1",
    "res_layer.2": "prelu",
    "res_layer.3": "conv2",
    "res_layer.4": "bn3",
    "res_layer.5.fc1": "se.fc1",
    "res_layer.5.fc2": "se.fc2",
}
"""Here no norm stands between the convolutions."""


def _draft(state: Tensors, prefix: str) -> Draft:
    total = count(state, r"body\.(\d+)\.")
    architecture = min(_DEPTHS, key=lambda name: abs(sum(BLOCKS[name]) - total))
    # A second convolution is the fourth module of an ancestor's branch, the fifth of AdaFace's.
    ancestor = sum(_is_convolution(name, state[name], "3") for name in state) > sum(
        _is_convolution(name, state[name], "4") for name in state
    )
    squeeze = any(re.search(r"res_layer\.\w+\.fc[12]\.", name) for name in state)
    stem = size(state, "input_layer.0.weight", 0, 64)
    arguments: dict[str, Any] = {
        "dimension": size(state, "output_layer.3.weight", 0, 512),
        **width_arguments(stem, size(state, "output_layer.3.weight", 1, 8 * stem * 49)),
        "shortcut": "pool",
        **({"inner_norm": False} if ancestor else {}),
        **({"squeeze": True} if squeeze else {}),
    }
    if ancestor:
        family, card = "InsightFace_Pytorch", cards.insightface_pytorch(architecture, arguments)
    elif "net." in prefix:
        family, card = "CVLFace", cards.cvlface(architecture, arguments)
    else:
        family, card = "AdaFace", cards.adaface(architecture, arguments, "model." in prefix)
    title = f"{family} IR-{'SE-' if squeeze else ''}{_DEPTHS[architecture]}"
    modules = _modules(architecture, _ANCESTORS_BRANCH if ancestor else _BRANCH)
    return Draft(title, card, modules, _complete_last_norm)


def _is_convolution(name: str, tensor: Tensor, position: str) -> bool:
    return name.endswith(f".res_layer.{position}.weight") and tensor.ndim == 4


def _modules(architecture: str, branch: dict[str, str]) -> dict[str, str]:
    """Our module names by theirs: they number the blocks of all four layers through."""
    starts = [0, *accumulate(BLOCKS[architecture])]
    blocks = chain.from_iterable(
        (
            (f"body.{starts[layer] + block}", f"layer{layer + 1}.{block}")
            for block in range(BLOCKS[architecture][layer])
        )
        for layer in range(4)
    )
    inside = branch | _SHORTCUT
    return _ENDS | {
        f"{theirs}.{part}": f"{ours}.{name}"
        for theirs, ours in blocks
        for part, name in inside.items()
    }


def _complete_last_norm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """AdaFace's last batch norm has neither weight nor bias: one and zero say the same."""
    mean = state.get("features.running_mean")
    if mean is None or "features.weight" in state or "features.bias" in state:
        return state
    ends = {
        "features.weight": torch.ones_like(mean),
        "features.bias": torch.zeros_like(mean),
    }
    return state | ends


IR = Layout(
    re.compile(
        r"(input_layer\.\d+|output_layer\.\d+"
        r"|body\.\d+\.(res_layer\.\w+(\.fc[12])?|shortcut_layer\.[01]))\.\w+"
    ),
    _draft,
)
"""Published by mk-minchul/AdaFace (net.py), mk-minchul/CVLface (models/iresnet/model.py),
TreB1eN/InsightFace_Pytorch (model.py) and ZhaoJ9014/face.evoLVe (backbone/model_irse.py)."""
