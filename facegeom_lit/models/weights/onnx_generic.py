"""Turns any supported ONNX graph into an `OnnxGraph` that trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.onnx_graph import OnnxGraph
from facegeom_lit.models.backbones.onnx_layers import ROLES
from facegeom_lit.models.backbones.onnx_modules import is_module
from facegeom_lit.models.weights.onnx_read import Graph, Node

SETTINGS = ("Clip", "Expand", "Pad", "Range", "Resize", "Tile", "Upsample")
"""Operators whose inputs after the first say what to do: they do not train."""
MOST_CONSTANTS = 1_000_000
TOLERANCE = 1e-3
"""How far, relative to its length, an embedding in a batch may be from that of the image alone."""


@dataclass(frozen=True)
class Converted:
    """A graph as arguments and tensors of `OnnxGraph`.

    Attributes:
        arguments: Arguments of `OnnxGraph`.
        state: Tensors by name.
    """

    arguments: dict[str, Any]
    state: dict[str, Tensor]


def convert(graph: Graph, size: tuple[int, int]) -> Converted:
    """Convert a recognition graph.

    Float tensors with more than one value, and everything that convolutions, linear maps, norms
    and PReLUs learn, become parameters; the others stay constants. A graph that was exported for a
    single image is made to take batches where that gives the same embeddings; else it is run image
    by image.

    Args:
        graph: A recognition graph.
        size: (H, W) of its input.

    Returns:
        Arguments and tensors of `OnnxGraph`.

    Raises:
        FaceGeomError: When an operator is not supported, or the graph cannot be run.
    """
    plain = _describe(graph, size)
    single = _build(plain, graph)
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = torch.cat([_embed(single, image[None], graph) for image in images])
    if not bool(expected.isfinite().all()):
        raise FaceGeomError(f"{graph.path} gives NaN or infinite embeddings for random images.")
    known = {"dimension": expected.shape[1]}
    for form in (graph, _with_open_batch(graph)):
        candidate = _describe(form, size)
        backbone = _build(candidate, graph)
        if _agrees(backbone, images, expected):
            return Converted({**candidate.arguments, **known}, backbone.state_dict())
    return Converted({**plain.arguments, **known, "per_image": True}, single.state_dict())


def _describe(graph: Graph, size: tuple[int, int]) -> Converted:
    uses = [
        (place, position, name, _role(node, position, graph.tensors[name]))
        for place, node in enumerate(graph.nodes)
        for position, name in enumerate(node.inputs)
        if name in graph.tensors
    ]
    constants = {n: _constant(n, graph.tensors[n], graph) for _, _, n, role in uses if not role}
    taken = {*constants, *graph.inputs, *(name for n in graph.nodes for name in n.outputs)}
    counts = Counter(name for _, _, name, role in uses if role)
    modules = {
        place
        for place, node in enumerate(graph.nodes)
        if _stands_alone(node, graph.tensors, counts)
    }
    inputs = [list(node.inputs) for node in graph.nodes]
    renamed: dict[str, str] = {}
    state: dict[str, Tensor] = {}
    for place, position, name, role in uses:
        op, tensor = graph.nodes[place].op, graph.tensors[name]
        if place in modules:
            new = f"{op}_{place}.{'weight' if op == 'MatMul' else role}"
            state[new] = tensor.T.contiguous() if op == "MatMul" else tensor
        elif role:
            new = renamed.setdefault(name, _free_name(f"{op}_{place}_{role}", taken))
            state[new] = tensor
        else:
            continue
        inputs[place][position] = new
    nodes = [
        {
            "name": node.name,
            "op": node.op,
            "inputs": names,
            "outputs": list(node.outputs),
            "attributes": dict(node.attributes),
        }
        for node, names in zip(graph.nodes, inputs, strict=True)
    ]
    arguments = {
        "nodes": nodes,
        "tensors": {name: list(tensor.shape) for name, tensor in state.items()},
        "constants": constants,
        "source": next(iter(graph.inputs)),
        "result": next(iter(graph.outputs)),
        "opset": graph.opset,
        "size": list(size),
    }
    return Converted(arguments, state)


def _stands_alone(node: Node, tensors: Mapping[str, Tensor], counts: Mapping[str, int]) -> bool:
    """Whether a node can be a module of its own: its weights are weights, and no other's."""
    first, *others = node.inputs or ("",)
    if first in tensors or not others or any(name not in tensors for name in others):
        return False
    # Equal tensors may be stored once. Those of a batch norm, of which two follow the data, are
    # never meant to be one.
    shared = any(counts[name] > 1 for name in others) and node.op != "BatchNormalization"
    shapes = [tuple(tensors[name].shape) for name in others]
    return not shared and is_module(node.op, node.attributes, shapes)


def _free_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"_{name}"
    return name


def _role(node: Node, position: int, tensor: Tensor) -> str | None:
    """What a tensor is to a node, or None when it does not train."""
    if not tensor.is_floating_point():
        return None
    roles = ROLES.get(node.op, ())
    if 1 <= position <= len(roles):
        return roles[position - 1]
    if tensor.numel() <= 1 or (node.op in SETTINGS and position > 0):
        return None
    return f"input{position}"


def _constant(name: str, tensor: Tensor, graph: Graph) -> Mapping[str, Any]:
    if tensor.numel() > MOST_CONSTANTS:
        raise FaceGeomError(
            f"{graph.path}: {name!r} holds {tensor.numel()} values that do not train, more than a "
            f"model card can carry ({MOST_CONSTANTS})."
        )
    values = [
        str(value) if isinstance(value, float) and abs(value) == float("inf") else value
        for value in tensor.flatten().tolist()
    ]
    kind = str(tensor.dtype).removeprefix("torch.")
    return {"type": kind, "shape": list(tensor.shape), "values": values}


def _with_open_batch(graph: Graph) -> Graph:
    """The graph with reshapes that keep the batch's size where they said 1."""
    tensors, nodes = dict(graph.tensors), []
    for node in graph.nodes:
        shape = tensors.get(node.inputs[1]) if node.op == "Reshape" else None
        if shape is not None and shape.numel() > 1 and int(shape[0]) == 1:
            name = f"{node.inputs[1]} of {node.outputs[0]}"
            tensors[name] = torch.cat([torch.zeros(1, dtype=torch.int64), shape[1:]])
            attributes = {k: v for k, v in node.attributes.items() if k != "allowzero"}
            node = replace(node, inputs=(node.inputs[0], name), attributes=attributes)
        nodes.append(node)
    return replace(graph, nodes=nodes, tensors=tensors)


def _build(converted: Converted, graph: Graph) -> OnnxGraph:
    try:
        backbone = OnnxGraph(**converted.arguments)
    except FaceGeomError as error:
        raise FaceGeomError(f"{graph.path}: {error}") from error
    for name, tensor in (*backbone.named_parameters(), *backbone.named_buffers()):
        if not name.endswith("num_batches_tracked"):
            tensor.data.copy_(converted.state[name.split(".", 2)[2]])  # after "runs.0."
    return backbone.eval()


def _embed(backbone: OnnxGraph, images: Tensor, graph: Graph) -> Tensor:
    try:
        return backbone(images)
    except FaceGeomError as error:
        raise FaceGeomError(f"{graph.path}: {error}") from error


@torch.no_grad()
def _agrees(backbone: OnnxGraph, images: Tensor, expected: Tensor) -> bool:
    try:
        found = backbone(images)
    except (FaceGeomError, RuntimeError):
        return False
    if found.shape != expected.shape:
        return False
    return bool(((found - expected).norm(dim=1) <= TOLERANCE * expected.norm(dim=1)).all())
