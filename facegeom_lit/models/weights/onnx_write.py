"""Writes an `OnnxGraph` back as the ONNX graph that it holds, exactly and for any batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facegeom_lit.models.backbones.onnx_graph import OnnxGraph

IR_VERSIONS = ((9, 4), (11, 6), (13, 7), (15, 8), (19, 9), (21, 10))
"""Opset up to which a version of ONNX's file format is the first that fits."""


def write_onnx_graph(backbone: OnnxGraph) -> onnx.ModelProto:
    """Write a generic graph as ONNX, with its present weights.

    Tracing would fix the sizes that such a graph computes as it runs.

    Args:
        backbone: The graph.

    Returns:
        The model; its batch is open unless the graph takes single images.
    """
    batch = 1 if backbone.per_image else "batch"
    turned = {node["inputs"][1] for node in backbone.nodes if node["op"] == "MatMul"}
    tensors = dict(backbone.constants)
    for name, tensor in backbone.state_dict().items():
        name = name.split(".", 2)[2]  # after "runs.0."
        if not name.endswith("num_batches_tracked"):
            # A module's weight is (outputs, inputs), and MatMul takes its transpose.
            tensors[name] = tensor.T if name in turned and "." in name else tensor
    initializers = [
        numpy_helper.from_array(tensor.cpu().contiguous().numpy(), name)
        for name, tensor in tensors.items()
    ]
    shapes = {
        backbone.source: [batch, 3, *backbone.input_size],
        backbone.result: [batch, backbone.dimension],
    }
    source, result = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    graph = helper.make_graph(
        [_node(node) for node in backbone.nodes],
        "face",
        [source],
        [result],
        initializers,
    )
    version = next((v for opset, v in IR_VERSIONS if backbone.opset <= opset), onnx.IR_VERSION)
    opsets = [helper.make_opsetid("", backbone.opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=version)


def _node(node: dict[str, Any]) -> onnx.NodeProto:
    attributes = dict(node.get("attributes") or {})
    if node["op"] == "ConstantOfShape":
        value = np.array([attributes.get("value", 0.0)])
        kind = np.float32 if value.dtype == np.float64 else value.dtype
        attributes["value"] = numpy_helper.from_array(value.astype(kind))
    return helper.make_node(node["op"], node["inputs"], node["outputs"], node["name"], **attributes)
