"""A detector with the shape of an SCRFD network that takes white squares for faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facegeom_lit.faces.crop import TEMPLATE

SIDE = 128  # of its input
POINTS = (TEMPLATE - TEMPLATE.mean(0)) / 4  # of its faces, from the corner of the white cell
REACH = 16.0  # of its boxes, to each side


def write_scrfd(path: Path, *, points: bool = True) -> Path:
    """Write the ONNX file: the mean of each cell of 8×8 pixels is the score of a face there."""
    constants, nodes, outputs = [], [], []

    def constant(name: str, value: np.ndarray) -> None:
        constants.append(numpy_helper.from_array(value, name))

    nodes.append(
        helper.make_node("AveragePool", ["input"], ["cells"], kernel_shape=[8, 8], strides=[8, 8])
    )
    constant("channel", np.array([1], np.int64))
    constant("flat", np.array([-1, 1], np.int64))
    nodes.append(helper.make_node("ReduceMean", ["cells", "channel"], ["brightness"], keepdims=1))
    nodes.append(helper.make_node("Relu", ["brightness"], ["first"]))
    nodes.append(helper.make_node("Sub", ["first", "first"], ["second"]))  # the other anchor: 0
    nodes.append(helper.make_node("Concat", ["first", "second"], ["anchors"], axis=1))
    nodes.append(helper.make_node("Transpose", ["anchors"], ["last"], perm=[0, 2, 3, 1]))
    nodes.append(helper.make_node("Reshape", ["last", "flat"], ["score_8"]))
    kinds = ("score", "bbox", "kps") if points else ("score", "bbox")
    for kind in kinds:
        for stride in (8, 16, 32):
            rows = 2 * (SIDE // stride) ** 2
            value = {
                "score": np.zeros(1),
                "bbox": np.full(4, REACH / stride),
                "kps": POINTS.ravel() / stride,
            }[kind]
            name = f"{kind}_{stride}"
            outputs.append(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, len(value)])
            )
            if name != "score_8":
                constant(f"{name}_value", np.tile(value, (rows, 1)).astype(np.float32))
                nodes.append(helper.make_node("Identity", [f"{name}_value"], [name]))
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "scrfd", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
