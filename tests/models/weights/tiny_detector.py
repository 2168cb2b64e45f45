"""A SCRFD-shaped detector that finds a white square, for packs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
POINTS = np.array([[-8, -8], [8, -8], [0, 0], [-7, 8], [7, 8]], np.float32)
"""Five points in pixels, from the upper left corner of the square."""
SIZES = {"score": 1, "bbox": 4, "kps": 10}


def write_detector(path: Path, outputs: int = 9) -> Path:
    """Write it: at stride 32 a cell whose pixels are all white is a face, 64 pixels wide."""
    nodes, weights, values = [], [], []
    for stride in STRIDES:
        side = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        nodes.append(helper.make_node("AveragePool", ["input.1"], [f"cells_{stride}"], **side))
    for part, size in SIZES.items():
        for stride in STRIDES:
            name = f"{part}_{stride}"
            slope = np.zeros((2 * size, 3, 1, 1), np.float32)
            bias = np.full(2 * size, {"score": -30, "bbox": 32 / stride}.get(part, 0), np.float32)
            if part == "score" and stride == 32:
                slope[0] = 20  # white is 127.5 / 128 in each of three channels
            if part == "kps":
                bias = np.tile(POINTS.ravel() / stride, 2)
            weights += [
                numpy_helper.from_array(slope, f"{name}.weight"),
                numpy_helper.from_array(bias, f"{name}.bias"),
                numpy_helper.from_array(np.array([-1, size]), f"{name}.shape"),
            ]
            inputs = [f"cells_{stride}", f"{name}.weight", f"{name}.bias"]
            nodes += [
                helper.make_node("Conv", inputs, [f"{name}.map"]),
                helper.make_node("Transpose", [f"{name}.map"], [f"{name}.t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{name}.t", f"{name}.shape"], [f"{name}.rows"]),
                helper.make_node(
                    "Sigmoid" if part == "score" else "Identity", [f"{name}.rows"], [name]
                ),
            ]
            values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["a", size]))
    source = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "h", "w"])
    graph = helper.make_graph(nodes, "detector", [source], values[:outputs], weights)
    opset = [helper.make_opsetid("", 11)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=6), path)
    return path
