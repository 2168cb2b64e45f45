"""Gives a YuNet face detector the inputs and outputs of SCRFD, so that InsightFace can use it.

YuNet (Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023), in OpenCV's layout: takes
BGR 0–255; for each cell of the strides 8, 16, 32 gives two scores, a box (centre offset, logarithm
of its size) and five points (offsets), in units of the stride. SCRFD, as
`insightface.model_zoo.scrfd` reads it: takes RGB, (x − 127.5) / 128; gives for two anchors a cell a
score, the distances of the box's sides (left, top, right, bottom) and the points' offsets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
_PARTS = ("cls", "obj", "bbox", "kps")
_OUTPUTS = {"score": 1, "bbox": 4, "kps": 10}


def is_yunet(model: onnx.ModelProto) -> bool:
    """Whether the outputs are those of OpenCV's YuNet files."""
    names = {f"{part}_{stride}" for part in _PARTS for stride in STRIDES}
    return {output.name for output in model.graph.output} == names


def yunet_as_scrfd(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a detector with SCRFD's nine outputs around a YuNet graph.

    Args:
        model: For which `is_yunet` holds; left as it is.
    """
    wrapped = onnx.ModelProto()
    wrapped.CopyFrom(model)
    graph = wrapped.graph
    constants = {
        "offset": np.float32(127.5),
        "scale": np.float32(128),
        "bgr": np.array([2, 1, 0]),
        "half": np.float32(0.5),
        "none": np.float32(0),
        **{f"as_{part}": np.array([-1, width]) for part, width in _OUTPUTS.items()},
    }
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), f"scrfd.{name}")
        for name, value in constants.items()
    )
    (source,) = graph.input
    _prepend(graph, source.name)
    del graph.output[:]
    for part, width in _OUTPUTS.items():
        for stride in STRIDES:
            name = f"scrfd.{part}_{stride}"
            shape: list[str | int | None] = [f"anchors_{stride}", width]
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    for stride in STRIDES:
        graph.node.extend(_decode(stride))
    return wrapped


def _prepend(graph: onnx.GraphProto, source: str) -> None:
    for node in graph.node:
        node.input[:] = ["scrfd.pixels" if name == source else name for name in node.input]
    steps = (
        _node("Mul", [source, "scrfd.scale"], "scrfd.scaled"),
        _node("Add", ["scrfd.scaled", "scrfd.offset"], "scrfd.rgb"),
        _node("Gather", ["scrfd.rgb", "scrfd.bgr"], "scrfd.pixels", axis=1),
    )
    for position, node in enumerate(steps):
        graph.node.insert(position, node)


def _decode(stride: int) -> list[onnx.NodeProto]:
    """Nodes from YuNet's outputs (1, A, ·) at one stride to SCRFD's (2A, ·)."""
    cls, obj, box, points = (f"{part}_{stride}" for part in _PARTS)

    def of(name: str) -> str:
        return f"scrfd.{name}_{stride}"

    def twice(part: str, first: str, second: str) -> list[onnx.NodeProto]:
        return [
            _node("Concat", [first, second], of(f"{part}.pair"), axis=2),
            _node("Reshape", [of(f"{part}.pair"), f"scrfd.as_{part}"], of(part)),
        ]

    return [
        # OpenCV's score is the geometric mean of the two; the second anchor never fires.
        _node("Mul", [cls, obj], of("product")),
        _node("Sqrt", [of("product")], of("first_score")),
        _node("Mul", [of("first_score"), "scrfd.none"], of("second_score")),
        *twice("score", of("first_score"), of("second_score")),
        helper.make_node("Split", [box], [of("offset"), of("logarithm")], of("split"), axis=2),
        _node("Exp", [of("logarithm")], of("size")),
        _node("Mul", [of("size"), "scrfd.half"], of("half_size")),
        _node("Sub", [of("half_size"), of("offset")], of("left_top")),
        _node("Add", [of("half_size"), of("offset")], of("right_bottom")),
        _node("Concat", [of("left_top"), of("right_bottom")], of("distances"), axis=2),
        *twice("bbox", of("distances"), of("distances")),
        *twice("kps", points, points),
    ]


def _node(operator: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], output, **attributes)
