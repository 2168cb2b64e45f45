"""Name tables from published MobileFaceNet layouts to ours."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

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


def rename(
    state: Mapping[str, Tensor], modules: Mapping[str, str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Rename tensors by a table of module names; tensors of other modules keep their names.

    Args:
        state: Tensors by their names in a file.
        modules: Our name by theirs, for whole modules.

    Returns:
        Tensors by our names, and their name by ours.

    Example:
        >>> rename({"bn.bias": Tensor()}, {"bn": "norm"})[1]
        {'norm.bias': 'bn.bias'}
    """
    names = {}
    for theirs in state:
        module, _, leaf = theirs.rpartition(".")
        names[f"{modules.get(module, module)}.{leaf}"] = theirs
    return {ours: state[theirs] for ours, theirs in names.items()}, names
