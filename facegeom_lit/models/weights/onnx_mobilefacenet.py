"""Recognises MobileFaceNet in an ONNX graph.

InsightFace's `w600k_mbf.onnx` (`arcface_torch`'s `get_mbf`: scale 2), the network of the paper, and
the variant with ReLU6; batch norms folded or not.
"""

from __future__ import annotations

from typing import Any

from facegeom_lit.models.weights.onnx_walk import Match, Mismatch, Walk

PUBLISHED_BLOCKS = [1, 4, 6, 2]
LARGE, NARROW = 512, 64
"""Channels of the last convolution, and of the first at scale 1, both at width 1."""


def match_mobilefacenet(walk: Walk) -> Match:
    """Walk through a MobileFaceNet.

    Args:
        walk: At the input of a graph.

    Returns:
        What was found.

    Raises:
        Mismatch: Where the graph is not a MobileFaceNet of ours.
    """
    narrow = walk.conv_norm("layers.0.layers.0", "layers.0.layers.1", (3, 3), 2, 1)
    act = "relu6" if walk.peek("Clip") is not None else "prelu"
    _activation(walk, "layers.0", narrow, act)
    blocks, names = _trunk(walk, act)
    large = _conv_block(walk, "conv_sep", (1, 1), act)
    window, dimension = _embedding(walk, act)
    walk.finish()
    width = large / LARGE
    opening = next((t for n, t in walk.state.items() if n.startswith("layers.1.")), None)
    # A plain second layer has as many channels a group as the scale says.
    scale = round(narrow / (NARROW * width)) if opening is None else opening.shape[1]
    differing: dict[str, tuple[Any, Any]] = {
        "width": (width, 1),
        "scale": (scale, 1),
        "window": (window, [7, 7]),
        "variant": ("prelu" if act == "prelu" else "relu", "prelu"),
        "blocks": (blocks, PUBLISHED_BLOCKS),
    }
    arguments = {name: found for name, (found, default) in differing.items() if found != default}
    state = {}
    for name, tensor in walk.state.items():
        block, _, rest = name.partition(".")
        state[f"{names[block]}.{rest}" if block in names else name] = tensor
    return Match("mobilefacenet", {"dimension": dimension, **arguments}, state)


def _trunk(walk: Walk, act: str) -> tuple[list[int], dict[str, str]]:
    """Walk through the second layer and the bottlenecks.

    Returns:
        Residual blocks in each stage (a first 1 for a plain second layer), and our name of each
        bottleneck, which are named "block0", "block1", … on the walk.
    """
    plain = not _is_bottleneck(walk, act)
    if plain:
        _opening(walk, act)
    blocks, names = [0], dict[str, str]()
    while _is_bottleneck(walk, act):
        block = f"block{len(names)}"
        if _bottleneck(walk, block, act):
            names[block] = f"layers.{2 * len(blocks) - 1}.layers.{blocks[-1]}"
            blocks[-1] += 1
        else:
            names[block] = f"layers.{2 * len(blocks)}"
            blocks.append(0)
    if plain == bool(blocks[0]):
        raise Mismatch("the second layer is neither a depthwise convolution nor residual blocks")
    blocks[0] = blocks[0] or 1
    return blocks, names


def _embedding(walk: Walk, act: str) -> tuple[list[int], int]:
    """Walk through the pooling and the linear map; returns the window and the length."""
    height, width = (side or 0 for side in next(iter(walk.graph.inputs.values()))[2:])
    window = (height // 16, width // 16)
    walk.conv_norm(
        "features.layers.0.layers.0", "features.layers.0.layers.1", window, depthwise=True
    )
    walk.flatten()
    bias = walk.linear("features.layers.2")
    if act == "prelu":
        walk.norm("features.layers.3", len(bias), bias)
    else:
        walk.state["features.layers.2.bias"] = bias
        walk.norm("features.layers.3", len(bias))
    walk.flatten()
    return list(window), len(bias)


def _opening(walk: Walk, act: str) -> None:
    """The second layer where it is no residual block."""
    if act == "prelu":
        _conv_block(walk, "layers.1", (3, 3), act, padding=1, depthwise=True)
    else:
        _conv_block(walk, "layers.1.0", (3, 3), "relu", padding=1, depthwise=True)
        _conv_block(walk, "layers.1.1", (1, 1), "relu")


def _bottleneck(walk: Walk, name: str, act: str) -> bool:
    """Walk through one bottleneck; returns whether it is residual."""
    start = walk.value
    _conv_block(walk, f"{name}.layers.0", (1, 1), act)
    node = walk.peek("Conv")
    stride = 1 if node is None else node.attributes.get("strides", [1, 1])[0]
    _conv_block(walk, f"{name}.layers.1", (3, 3), act, stride, 1, depthwise=True)
    walk.conv_norm(f"{name}.layers.2.layers.0", f"{name}.layers.2.layers.1", (1, 1))
    if stride == 1:
        walk.add(start)
    return stride == 1


def _is_bottleneck(walk: Walk, act: str) -> bool:
    """Whether what follows widens the channels and then filters each in a 3×3 window."""
    ahead = walk.fork()
    try:
        _conv_block(ahead, "", (1, 1), act)
    except Mismatch:
        return False
    node = ahead.peek("Conv")
    return node is not None and node.attributes.get("pads") == [1] * 4


def _conv_block(
    walk: Walk,
    name: str,
    kernel: tuple[int, int],
    act: str,
    stride: int = 1,
    padding: int = 0,
    *,
    depthwise: bool = False,
) -> int:
    """Walk through convolution, norm and activation; returns the output channels."""
    names = (f"{name}.layers.0", f"{name}.layers.1")
    channels = walk.conv_norm(*names, kernel, stride, padding, depthwise=depthwise)
    _activation(walk, name, channels, act)
    return channels


def _activation(walk: Walk, name: str, channels: int, act: str) -> None:
    if act == "prelu":
        walk.prelu(f"{name}.layers.2", channels)
    elif act == "relu":
        walk.take("Relu")
    else:
        node = walk.take("Clip")
        limits = [
            node.attributes[key] if key in node.attributes else walk.tensor(node, place).tolist()
            for place, key in ((1, "min"), (2, "max"))
        ]
        if limits != [0, 6]:
            raise Mismatch(f"node {node} clips to {limits}, a ReLU6 to [0, 6]")
