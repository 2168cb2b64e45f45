"""Torch's own modules for the ONNX nodes that are just that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over images or over vectors: ONNX does not tell them apart."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


def is_module(op: str, attributes: Mapping[str, Any], shapes: Sequence[Sequence[int]]) -> bool:
    """Whether a node is exactly what one of torch's modules computes.

    Args:
        op: Operator of the node.
        attributes: Its attributes.
        shapes: Shapes of the tensors that it takes after its first input.

    Example:
        >>> is_module("Conv", {"pads": [1, 1, 1, 1]}, [(8, 3, 3, 3)])
        True
        >>> is_module("Conv", {"pads": [0, 0, 1, 1]}, [(8, 3, 3, 3)])
        False
    """
    ranks = [len(shape) for shape in shapes]
    if op == "BatchNormalization":
        return ranks == [1, 1, 1, 1]
    if op == "Conv":
        pads = attributes.get("pads", [0, 0, 0, 0])
        even = attributes.get("auto_pad", "NOTSET") == "NOTSET" and pads[:2] == pads[2:]
        return ranks in ([4], [4, 1]) and even and max(pads) <= max(shapes[0])
    if op == "Gemm":
        plain = {"alpha": 1, "beta": 1, "transA": 0, "transB": 1}
        defaults = {**plain, "transB": 0}
        same = all(attributes.get(key, defaults[key]) == value for key, value in plain.items())
        return same and (ranks == [2] or (ranks == [2, 1] and shapes[1][0] == shapes[0][0]))
    return op == "MatMul" and ranks == [2]


def build_module(node: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> nn.Module:
    """Make the module of a node.

    Args:
        node: The node; `is_module` holds for it.
        shapes: Shapes of the module's tensors by their names in it. A linear map's weight has the
            shape (outputs, inputs), also for MatMul, whose second input is its transpose.

    Raises:
        FaceGeomError: When there is no such module.
    """
    try:
        return _build(node["op"], dict(node.get("attributes") or {}), shapes)
    except (ValueError, TypeError, RuntimeError, IndexError, KeyError) as error:
        raise FaceGeomError(
            f"ONNX node {node['name']!r} ({node['op']}) cannot be made of tensors of the shapes "
            f"{ {name: tuple(shape) for name, shape in shapes.items()} }: {error}."
        ) from error


def _build(
    op: str, attributes: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]
) -> nn.Module:
    weight, bias = shapes["weight"], "bias" in shapes
    if op == "BatchNormalization":
        momentum, eps = attributes.get("momentum", 0.9), attributes.get("epsilon", 1e-5)
        # ONNX weighs the old value, torch the new one.
        return BatchNorm(weight[0], eps=eps, momentum=1 - momentum)
    if op == "Conv":
        group = attributes.get("group", 1)
        height, width = weight[2:]
        return nn.Conv2d(
            weight[1] * group,
            weight[0],
            (height, width),
            attributes.get("strides", 1),
            attributes.get("pads", [0, 0])[:2],
            attributes.get("dilations", 1),
            group,
            bias,
        )
    if op in ("Gemm", "MatMul"):
        return nn.Linear(weight[1], weight[0], bias)
    raise ValueError("torch has no such module")
