"""Recognises a layout of weights by the names of its tensors, and supplies its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from facegeom_lit.models.backbones.iresnet import BLOCKS
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.weights import cards
from facegeom_lit.models.weights.rename import PRELU_NAMES, RELU_NAMES, rename


@dataclass(frozen=True)
class Known:
    """Weights of a known layout.

    Attributes:
        state: Tensors by their names in our network.
        card: How to feed the network.
        names: Name in the file of each tensor of `state`.
    """

    state: dict[str, Tensor]
    card: ModelCard
    names: dict[str, str]


def recognise(state: Mapping[str, Tensor]) -> Known | None:
    """Recognise the layout of a state dict.

    Args:
        state: Tensors by their names in the file.

    Returns:
        The tensors renamed for our network, with their card; None for an unknown layout.
    """
    if "linear7.conv.weight" in state and "dw_conv1.conv.weight" in state:
        return _renamed(state, PRELU_NAMES, cards.MOBILEFACENET_PRELU_CASIA)
    if "gdconv.depthwise.weight" in state and "dw_conv.pointwise.weight" in state:
        return _renamed(state, RELU_NAMES, cards.MOBILEFACENET_RELU_MS1M)
    card = _iresnet(state) or _insightface_mobilefacenet(state)
    return None if card is None else Known(dict(state), card, {})


def _renamed(state: Mapping[str, Tensor], prefixes: dict[str, str], card: ModelCard) -> Known:
    renamed, names = rename(state, prefixes)
    # A 1×1 convolution on a 1×1 map is the linear layer that we use.
    last = "features.layers.2.weight"
    if last in renamed:
        renamed[last] = renamed[last].flatten(1)
    return Known(renamed, card, names)


def _iresnet(state: Mapping[str, Tensor]) -> ModelCard | None:
    if not {"conv1.weight", "layer4.0.bn1.weight", "fc.weight", "features.weight"} <= set(state):
        return None
    blocks = tuple(
        sum(name.startswith(f"layer{layer}.") and name.endswith(".conv1.weight") for name in state)
        for layer in (1, 2, 3, 4)
    )
    architecture = next((name for name, known in BLOCKS.items() if known == blocks), None)
    if architecture is None:
        return None
    return cards.arcface_torch(architecture, {"dimension": state["fc.weight"].shape[0]})


def _insightface_mobilefacenet(state: Mapping[str, Tensor]) -> ModelCard | None:
    first, last = "layers.0.layers.0.weight", "features.layers.2.weight"
    if first not in state or last not in state or "conv_sep.layers.0.weight" not in state:
        return None
    arguments = {"dimension": state[last].shape[0], "scale": state[first].shape[0] // 64}
    return cards.arcface_torch("mobilefacenet", arguments)
