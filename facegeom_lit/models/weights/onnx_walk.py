"""Walks an ONNX graph from its input to its embedding, and names its tensors as our networks do.

Graphs are matched by structure alone: exporters name nodes and tensors as they like. Batch norms
are met in two forms: as nodes of their own, and folded into the convolution before them, as
exporters in evaluation mode do. A folded one becomes a batch norm that adds the bias and does
nothing else, so that the network is ours and every parameter trains.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from facegeom_lit.models.weights.onnx_read import Graph, Node

EPSILON = 1e-5
"""Of our batch norms; another epsilon in a graph goes into the variance."""


SHAPE_OPS = ("Shape", "Gather", "Slice", "Unsqueeze", "Squeeze", "Concat", "Cast")


class Mismatch(Exception):
    """The first place where a graph is not the network that it is compared with."""


@dataclass(frozen=True)
class Match:
    """One of our architectures found in a graph.

    Attributes:
        architecture: Key of `ARCHITECTURES`.
        arguments: Its arguments.
        state: Tensors by their names in our network.
    """

    architecture: str
    arguments: dict[str, Any]
    state: dict[str, Tensor]


class Walk:
    """A position in a graph, and the tensors named on the way to it.

    Args:
        graph: A recognition graph.

    Attributes:
        value: Name of the value that the walk has reached.
        state: Tensors by their names in our network.
        folded: Whether a batch norm was met that is folded into its convolution.
        used: Number of nodes walked over.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        (self.value,) = graph.inputs
        self.state: dict[str, Tensor] = {}
        self.folded = False
        self.used = 0
        self._takers: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for name in dict.fromkeys(node.inputs):
                self._takers.setdefault(name, []).append(node)

    def fork(self) -> Walk:
        """A second walk from here, to look ahead with."""
        other = copy(self)
        other.state = {}
        return other

    def next_ops(self) -> list[str]:
        """Operators that take the present value, sorted."""
        return sorted(node.op for node in self._takers.get(self.value, []))

    def peek(self, op: str) -> Node | None:
        """The one node of an operator that takes the present value, if there is one."""
        found = [node for node in self._takers.get(self.value, []) if node.op == op]
        return found[0] if len(found) == 1 else None

    def take(self, op: str) -> Node:
        """Step over the one node of an operator.

        Raises:
            Mismatch: When there is none.
        """
        node = self.peek(op)
        if node is None:
            found = " and ".join(str(n) for n in self._takers.get(self.value, [])) or "the end"
            raise Mismatch(f"expected {op} after node {self.used}, found {found}")
        self.value = node.outputs[0]
        self.used += 1
        return node

    def tensor(self, node: Node, position: int) -> Tensor:
        """The weight that a node takes at a position.

        Raises:
            Mismatch: When there is none.
        """
        name = node.inputs[position] if position < len(node.inputs) else ""
        if name not in self.graph.tensors:
            raise Mismatch(f"node {node} has no weight as its input {position}")
        return self.graph.tensors[name]

    def convolution(
        self, name: str, kernel: tuple[int, int], stride: int, padding: int, *, depthwise: bool
    ) -> Tensor | None:
        """Step over a convolution and name its weight.

        Args:
            name: Name of our module.
            kernel: (H, W) of the window.
            stride: Stride on both axes.
            padding: Padding on all sides.
            depthwise: Whether its channels are grouped; else they must not be.

        Returns:
            Its bias, None where it has none.

        Raises:
            Mismatch: When it is another one.
        """
        node = self.take("Conv")
        weight = self.tensor(node, 1)
        facts: dict[str, tuple[Any, Any]] = {
            "kernel": (list(weight.shape[2:]), list(kernel)),
            "strides": (node.attributes.get("strides", [1, 1]), [stride] * 2),
            "pads": (node.attributes.get("pads", [0] * 4), [padding] * 4),
            "dilations": (node.attributes.get("dilations", [1, 1]), [1, 1]),
            "auto_pad": (node.attributes.get("auto_pad", "NOTSET"), "NOTSET"),
            "grouped": (node.attributes.get("group", 1) > 1, depthwise),
        }
        for fact, (found, expected) in facts.items():
            if found != expected:
                raise Mismatch(f"node {node} has {fact} {found}, expected {expected}")
        self.state[f"{name}.weight"] = weight
        return self.tensor(node, 2) if len(node.inputs) > 2 else None

    def conv_norm(
        self,
        conv: str,
        norm: str,
        kernel: tuple[int, int],
        stride: int = 1,
        padding: int = 0,
        *,
        depthwise: bool = False,
    ) -> int:
        """Step over a convolution and its batch norm, folded or not.

        Returns:
            The output channels.

        Raises:
            Mismatch: When they are others.
        """
        bias = self.convolution(conv, kernel, stride, padding, depthwise=depthwise)
        channels = len(self.state[f"{conv}.weight"])
        self.norm(norm, channels, bias)
        return channels

    def norm(self, name: str, channels: int, shift: Tensor | None = None) -> None:
        """Step over a batch norm, or take it as folded when none is there.

        Args:
            name: Name of our module.
            channels: Its channels.
            shift: Bias of the layer before it: of the convolution into which it is folded, or
                one that it still has to take up, as our layers there have none.

        Raises:
            Mismatch: When its tensors are of another shape.
        """
        shift = torch.zeros(channels) if shift is None else shift
        node = self.peek("BatchNormalization")
        if node is None:
            self.folded = True
            weight, bias, mean = torch.ones(channels), shift, torch.zeros(channels)
            variance = torch.full((channels,), 1 - EPSILON)
        else:
            self.take("BatchNormalization")
            weight, bias, mean, variance = (self.tensor(node, place) for place in (1, 2, 3, 4))
            mean = mean - shift
            epsilon = node.attributes.get("epsilon", EPSILON)
            variance = variance.double().add(epsilon - EPSILON).float()
        named = {"weight": weight, "bias": bias, "running_mean": mean, "running_var": variance}
        for leaf, tensor in named.items():
            if tensor.numel() != channels:
                raise Mismatch(f"{name}.{leaf} would have {tensor.numel()} values for {channels}")
            self.state[f"{name}.{leaf}"] = tensor.reshape(channels).clone()

    def prelu(self, name: str, channels: int) -> None:
        """Step over a PReLU with a slope for each of the channels, or one for all.

        Raises:
            Mismatch: When there is none.
        """
        node = self.take("PRelu")
        slope = self.tensor(node, 1)
        if slope.numel() != 1 and (slope.numel() != channels or channels not in slope.shape[:2]):
            raise Mismatch(f"node {node} has slopes of shape {tuple(slope.shape)}")
        self.state[f"{name}.weight"] = slope.flatten().expand(channels).clone()

    def flatten(self) -> None:
        """Step over what makes (B, C, H, W) to (B, C·H·W), if it is there."""
        for op in ("Flatten", "Reshape", "Squeeze"):
            if self.peek(op) is not None:
                start, node = self.value, self.take(op)
                if op == "Reshape":
                    self.used += self._count_shape_nodes(node.inputs[1], start)

    def _count_shape_nodes(self, shape: str, start: str) -> int:
        """Nodes that read the batch's size off a value to make the shape of a reshape."""
        makers = {name: node for node in self.graph.nodes for name in node.outputs}
        open_, seen = [shape], set()
        while open_:
            name = open_.pop()
            if name and name != start and name not in self.graph.tensors:
                node = makers[name]
                if node.op not in SHAPE_OPS:
                    raise Mismatch(f"node {node} computes a shape")
                seen.add(node.name)
                open_ += node.inputs
        return len(seen)

    def linear(self, name: str) -> Tensor:
        """Step over a linear map, or a 1×1 convolution in its place, and name its weight.

        Returns:
            Its bias, zero where it has none.

        Raises:
            Mismatch: When it is none.
        """
        if self.peek("Conv") is not None:
            bias = self.convolution(name, (1, 1), 1, 0, depthwise=False)
            weight = self.state[f"{name}.weight"] = self.state[f"{name}.weight"].flatten(1)
            return torch.zeros(len(weight)) if bias is None else bias
        node = self.take("MatMul" if self.peek("MatMul") is not None else "Gemm")
        turned = node.op == "Gemm" and node.attributes.get("transB", 0)
        factors = (("alpha", 1), ("beta", 1), ("transA", 0))
        weight = self.tensor(node, 1)
        if any(node.attributes.get(key, x) != x for key, x in factors) or weight.dim() != 2:
            raise Mismatch(f"node {node} is no plain linear map")
        weight = weight if turned else weight.T.contiguous()
        bias = self.tensor(node, 2) if len(node.inputs) > 2 else None
        if bias is None and self.peek("Add") is not None:
            node = self.take("Add")
            bias = self.tensor(node, 1 if node.inputs[1] in self.graph.tensors else 0)
        self.state[f"{name}.weight"] = weight
        return torch.zeros(len(weight)) if bias is None else bias.flatten()

    def add(self, other: str) -> None:
        """Step over the sum of the present value and another.

        Raises:
            Mismatch: When there is none.
        """
        mine = self.value
        node = self.take("Add")
        if sorted(node.inputs) != sorted((mine, other)):
            raise Mismatch(f"node {node} adds {node.inputs}, not a block and its input")

    def finish(self) -> None:
        """Check that the walk has come to the embedding and left no node out.

        Raises:
            Mismatch: When it has not.
        """
        if self.value not in self.graph.outputs or self.used != len(self.graph.nodes):
            following = ", ".join(self.next_ops()) or "nothing"
            raise Mismatch(
                f"{self.used} of {len(self.graph.nodes)} nodes fit; after them comes {following}"
            )
