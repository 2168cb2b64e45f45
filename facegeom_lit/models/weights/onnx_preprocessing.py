"""What a recognition ONNX is fed, and preprocessing inside its graph moved onto the card.

InsightFace (`model_zoo/arcface_onnx.py`) feeds RGB as (x − 127.5) / 127.5; where a name among the
first eight nodes begins with "Sub" and another with "Mul" (or "_minus" and "_mul", of MXNet), it
feeds 0–255, and the graph normalises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from facegeom_lit.models.backbones.backbone import CROP
from facegeom_lit.models.weights.onnx_read import Graph, Node

FIRST_NODES = 8
SUBTRACTING, MULTIPLYING = ("Sub", "_minus"), ("Mul", "_mul")
SWAP = [2, 1, 0]


@dataclass(frozen=True)
class Feed:
    """How aligned RGB crops become what a graph takes; the fields are those of `ModelCard`."""

    mean: tuple[float, ...] = (127.5, 127.5, 127.5)
    std: tuple[float, ...] = (127.5, 127.5, 127.5)
    color_order: str = "RGB"
    size: tuple[int, int] = (CROP, CROP)
    fit: str = "crop"


def insightface_feed(node_names: Sequence[str], size: tuple[int, int]) -> Feed:
    """How InsightFace feeds a graph.

    Args:
        node_names: Names of all its nodes in order, constants included.
        size: (H, W) of its input.

    Example:
        >>> insightface_feed(["Sub_0", "Mul_1", "Conv_2"], (112, 112)).mean
        (0.0, 0.0, 0.0)
    """
    first = node_names[:FIRST_NODES]
    inside = all(any(n.startswith(kind) for n in first) for kind in (SUBTRACTING, MULTIPLYING))
    fit = "crop" if max(size) <= CROP else "resize"
    if inside:
        return Feed((0.0,) * 3, (1.0,) * 3, size=size, fit=fit)
    return Feed(size=size, fit=fit)


def absorb(graph: Graph, feed: Feed) -> tuple[Graph, Feed]:
    """Move the preprocessing at the front of a graph into its feed.

    Shifts and positive scales of channels, an exchange of red and blue, and a central crop.

    Args:
        graph: A recognition graph.
        feed: How the whole graph is fed.

    Returns:
        The graph without those nodes, and how it is fed.
    """
    while True:
        (value,) = graph.inputs
        takers = [node for node in graph.nodes if value in node.inputs]
        step = _absorbed(takers[0], graph, feed) if len(takers) == 1 else None
        if step is None:
            return graph, feed
        feed = step
        ((_, shape),) = graph.inputs.items()
        graph = replace(
            graph,
            nodes=[node for node in graph.nodes if node is not takers[0]],
            inputs={takers[0].outputs[0]: (*shape[:2], *feed.size)},
        )


def _absorbed(node: Node, graph: Graph, feed: Feed) -> Feed | None:
    (value,) = graph.inputs
    others = [graph.tensors.get(name) for name in node.inputs if name != value]
    if any(other is None for other in others) or node.outputs[0] in graph.outputs:
        return None
    given = [other for other in others if other is not None]
    first = node.inputs[0] == value
    if node.op in ("Add", "Mul") or (node.op in ("Sub", "Div") and first):
        return _scaled(node.op, _channels(given[0]), feed) if len(given) == 1 else None
    if node.op == "Gather" and first and node.attributes.get("axis", 0) == 1:
        if given[0].tolist() != SWAP:
            return None
        order = "RGB" if feed.color_order == "BGR" else "BGR"
        return replace(feed, mean=feed.mean[::-1], std=feed.std[::-1], color_order=order)
    if node.op == "Slice" and first and len(given) == 3:
        starts, ends, axes = (tensor.tolist() for tensor in given)
        return _cropped(starts, ends, axes, feed)
    return None


def _scaled(op: str, by: list[float] | None, feed: Feed) -> Feed | None:
    """The feed when (x − mean) / std is then shifted or scaled."""
    if by is None or (op in ("Mul", "Div") and min(by) <= 0):
        return None
    mean, std = list(feed.mean), list(feed.std)
    if op in ("Sub", "Add"):
        sign = 1 if op == "Sub" else -1
        mean = [m + sign * b * s for m, s, b in zip(mean, std, by, strict=True)]
    else:
        std = [s / b if op == "Mul" else s * b for s, b in zip(std, by, strict=True)]
    return replace(feed, mean=tuple(map(_shortest, mean)), std=tuple(map(_shortest, std)))


def _channels(tensor: Tensor) -> list[float] | None:
    """Three values by channel, when a tensor broadcasts as such over (B, 3, H, W)."""
    if tensor.numel() == 1:
        return [float(tensor)] * 3
    if tensor.numel() == 3 and tuple(tensor.shape)[-3:] == (3, 1, 1):
        return [float(value) for value in tensor.flatten()]
    return None


def _cropped(starts: list[int], ends: list[int], axes: list[int], feed: Feed) -> Feed | None:
    """The feed when the centre of a crop is cut out, as `preprocess` does."""
    whole = (feed.fit, feed.size) == ("crop", (CROP, CROP))
    if axes != [2, 3] or not whole or not len(starts) == len(ends) == 2:
        return None
    height, width = (end - start for start, end in zip(starts, ends, strict=True))
    if starts != [(CROP - height) // 2, (CROP - width) // 2] or min(height, width) < 1:
        return None
    return replace(feed, size=(height, width))


def _shortest(value: float) -> float:
    """The shortest decimal number that is the same float32: 123.675 for 123.6750030517578."""
    return float(f"{value:.7g}")
