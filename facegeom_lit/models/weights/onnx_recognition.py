"""Tells recognition networks among ONNX files, and brings their graphs into one simple form."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.onnx_graph import FUNCTIONS
from facegeom_lit.models.backbones.onnx_layers import LAYERS
from facegeom_lit.models.backbones.onnx_operators import DTYPES, Call
from facegeom_lit.models.weights.onnx_read import Graph, Node

FEWEST_NUMBERS = 16
"""A face's embedding is at least so long; an attribute network gives a handful of numbers."""
LANDMARK_SIDE = 192
LANDMARK_NUMBERS = (212, 3309)
"""Outputs of InsightFace's 2d106det and 1k3d68."""
RESHAPING = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""Operators that change a weight's form only, so that doing it beforehand costs nothing."""


def recognition_graph(graph: Graph) -> Graph:
    """Check that a graph maps one face to one embedding, and simplify it.

    Args:
        graph: The graph as read.

    Returns:
        The graph with one input (B, 3, H, W) and one output, without nodes that only reshape
        weights, that do nothing in evaluation mode and float32, or that the embedding does not
        need. The output's name is that of the value that it is.

    Raises:
        FaceGeomError: When it is a detector or another kind of network; the message says which.
    """
    _check_input(graph)
    result = embedding_name(graph)
    shape = graph.outputs[result]
    width = shape[1] if len(shape) > 1 else None
    size = next(iter(graph.inputs.values()))[2:]
    if size == (LANDMARK_SIDE,) * 2 and width in LANDMARK_NUMBERS:
        raise FaceGeomError(
            f"{graph.path} is a landmark network ({width} coordinates), not a recognition network. "
            "Give a file such as w600k_r50.onnx."
        )
    if width is not None and width < FEWEST_NUMBERS:
        raise FaceGeomError(
            f"{graph.path} gives {width} numbers for a face: this is an attribute or quality "
            "network (InsightFace's genderage gives 3), not a recognition network. Give a file "
            "such as w600k_r50.onnx."
        )
    return _bypass(_needed(_fold(replace(graph, outputs={result: shape}))))


def _check_input(graph: Graph) -> None:
    if len(graph.inputs) != 1:
        raise FaceGeomError(
            f"{graph.path} takes {len(graph.inputs)} inputs ({', '.join(graph.inputs) or 'none'}); "
            "a recognition network takes images alone. A face swapper takes two."
        )
    ((name, shape),) = graph.inputs.items()
    if len(shape) == 4 and shape[3] == 3 and shape[1] != 3:
        raise FaceGeomError(
            f"{graph.path}: input {name!r} has the shape {shape}, channels last. Export the model "
            "with channels first (B, 3, H, W)."
        )
    if len(shape) != 4 or shape[1] not in (3, None):
        raise FaceGeomError(
            f"{graph.path}: input {name!r} has the shape {shape}, not (B, 3, H, W): this is no "
            "network that takes RGB faces."
        )


def embedding_name(graph: Graph) -> str:
    """Name of the one output that is an embedding; besides it only its norm (B, 1) may come out.

    Raises:
        FaceGeomError: When the outputs are those of a detector.
    """
    shapes = graph.outputs
    spatial = [name for name, shape in shapes.items() if _is_spatial(shape)]
    candidates = [name for name in shapes if name not in spatial and shapes[name][1:2] != (1,)]
    if spatial or len(candidates) != 1 or len(shapes) > 2:
        listed = ", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:4])
        raise FaceGeomError(
            f"{graph.path} has {len(shapes)} outputs ({listed}{', …' if len(shapes) > 4 else ''}): "
            "this is a detector (boxes, scores or maps), not a recognition network with one "
            "embedding (B, D). Give a file such as w600k_r50.onnx."
        )
    return candidates[0]


def _is_spatial(shape: tuple[int | None, ...]) -> bool:
    return len(shape) > 2 and any(side != 1 for side in shape[2:])


def _fold(graph: Graph) -> Graph:
    tensors, nodes = dict(graph.tensors), []
    for node in graph.nodes:
        if node.op in RESHAPING and all(name in tensors for name in node.inputs):
            tensors[node.outputs[0]] = _run(node, tensors, graph)
        else:
            nodes.append(node)
    return replace(graph, tensors=tensors, nodes=nodes)


def _run(node: Node, tensors: dict[str, Tensor], graph: Graph) -> Tensor:
    call = Call([tensors[name] for name in node.inputs], node.attributes, graph.opset)
    try:
        made = FUNCTIONS[node.op](call)
    except (RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
        raise FaceGeomError(f"{graph.path}: node {node} cannot be run: {error}.") from error
    assert isinstance(made, Tensor)
    return made


def _needed(graph: Graph) -> Graph:
    wanted, nodes = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if wanted & set(node.outputs):
            nodes.append(node)
            wanted.update(node.inputs)
    kept = {name: tensor for name, tensor in graph.tensors.items() if name in wanted}
    return replace(graph, nodes=nodes[::-1], tensors=kept)


def _bypass(graph: Graph) -> Graph:
    """Leave out identities, dropout, and casts from one precision to another."""
    real = set(graph.inputs) | {
        name for node in graph.nodes if node.op in LAYERS for name in node.outputs
    }
    same: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        node = replace(node, inputs=tuple(same.get(name, name) for name in node.inputs))
        cast = node.op == "Cast" and DTYPES.get(node.attributes["to"]) is torch.float32
        if node.op in ("Identity", "Dropout") or (cast and node.inputs[0] in real):
            same[node.outputs[0]] = node.inputs[0]
        else:
            nodes.append(node)
    outputs = {same.get(name, name): shape for name, shape in graph.outputs.items()}
    return replace(graph, nodes=nodes, outputs=outputs)
