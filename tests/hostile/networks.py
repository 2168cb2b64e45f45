"""ONNX files: recognition networks that are none, that point elsewhere, or that never end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hostile.cases import Build, add, hostile, written
from models.weights.tiny_detector import write_detector
from onnx import TensorProto, helper, numpy_helper

Nodes = list[onnx.NodeProto]


def network(
    nodes: Nodes, weights: list[onnx.TensorProto] | None = None, opset: int = 13, **facts: Any
) -> onnx.ModelProto:
    """A network from x, (1, 3, 112, 112), to y."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 112, 112])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 128])
    graph = helper.make_graph(nodes, "net", [x], [y], weights or [])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **facts
    )


def embedding(source: str = "x") -> tuple[Nodes, list[onnx.TensorProto]]:
    """Average the image and map it to 128 numbers."""
    nodes = [
        helper.make_node("GlobalAveragePool", [source], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    return nodes, [numpy_helper.from_array(np.ones((3, 128), np.float32), "w")]


def saved(model: onnx.ModelProto) -> Build:
    return written("net.onnx", model.SerializeToString())


def changed(change: Callable[[onnx.ModelProto], object]) -> Build:
    """The plain network, changed."""
    model = network(*embedding())
    change(model)
    return saved(model)


def before(*nodes: onnx.NodeProto, weights: tuple[onnx.TensorProto, ...] = ()) -> Build:
    """The plain network behind other nodes, from x to z."""
    tail, own = embedding("z")
    return saved(network([*nodes, *tail], [*own, *weights]))


def external(location: str, offset: str = "0", length: str = "1536") -> Build:
    """The weight in another file; `secret` and `beside` are there."""

    def build(folder: Path) -> Path:
        model = network(*embedding())
        weight = model.graph.initializer[0]
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            weight.external_data.add(key=key, value=value)
        (folder / "secret").write_bytes(np.ones(384, np.float32).tobytes())
        place = folder / "in"
        place.mkdir()
        (place / "beside").write_bytes(np.ones(384, np.float32).tobytes())
        (place / "link").symlink_to(folder / "secret")
        (place / "zero").symlink_to("/dev/zero")
        (place / "net.onnx").write_bytes(model.SerializeToString())
        return place / "net.onnx"

    return build


def shaped(name: str, *dims: int) -> onnx.TensorProto:
    """A tensor that states a shape and has no data."""
    return TensorProto(name=name, data_type=TensorProto.FLOAT, dims=dims)


def numbers(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def inner() -> onnx.GraphProto:
    value = helper.make_tensor_value_info("q", TensorProto.FLOAT, [1])
    body = helper.make_node("Identity", ["x"], ["q"])
    return helper.make_graph([body], "inner", [], [value])


def metadata(text: str) -> Build:
    return changed(lambda model: helper.set_model_props(model, {"facegeom.card": text}))


WHOLE = network(*embedding()).SerializeToString()

NETWORKS: dict[str, Build] = {
    "data outside": external("../secret"),
    "data at an absolute path": external("/etc/passwd", length="1536"),
    "data through a link": external("link"),
    "data of a device": external("zero"),
    "data in the folder itself": external("."),
    "data at a negative offset": external("beside", offset="-8"),
    "data beyond the end": external("beside", offset=str(2**62)),
    "data of words": external("beside", offset="first"),
    "data that is not there": external("nowhere"),
    "custom domain": before(helper.make_node("Evil", ["x"], ["z"], domain="com.evil")),
    "Python operator": before(helper.make_node("PyOp", ["x"], ["z"], domain="ai.onnx.contrib")),
    "unknown operator": before(helper.make_node("Evil", ["x"], ["z"])),
    "Loop": before(helper.make_node("Loop", ["", "", "x"], ["z"], body=inner())),
    "If": before(
        helper.make_node("If", ["c"], ["z"], then_branch=inner(), else_branch=inner()),
        weights=(numpy_helper.from_array(np.array(True), "c"),),
    ),
    "cycle": before(
        helper.make_node("Add", ["x", "z"], ["q"]), helper.make_node("Relu", ["q"], ["z"])
    ),
    "node that takes itself": before(helper.make_node("Add", ["z", "x"], ["z"])),
    "value made twice": before(
        helper.make_node("Relu", ["x"], ["z"]), helper.make_node("Relu", ["x"], ["z"])
    ),
    "dims without data": changed(
        lambda m: m.graph.initializer[0].CopyFrom(shaped("w", 2**31, 2**31))
    ),
    "large dims without data": changed(
        lambda m: m.graph.initializer[0].CopyFrom(shaped("w", 3, 2**27))
    ),
    "negative dims": changed(lambda m: m.graph.initializer[0].CopyFrom(shaped("w", -3, -128))),
    "type of words": changed(lambda m: setattr(m.graph.initializer[0], "data_type", 8)),
    "unknown type": changed(lambda m: setattr(m.graph.initializer[0], "data_type", 99)),
    "NaN": changed(
        lambda m: m.graph.initializer[0].CopyFrom(
            numpy_helper.from_array(np.full((3, 128), np.nan, np.float32), "w")
        )
    ),
    "memory of 4 TB": before(
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("ReduceMean", ["c"], ["m"], keepdims=1),
        helper.make_node("Add", ["x", "m"], ["z"]),
        weights=(numbers("s", 1, 1, 2**20, 2**20),),
    ),
    "memory of 16 GB": before(
        helper.make_node("ConstantOfShape", ["s"], ["c"]),
        helper.make_node("ReduceMean", ["c"], ["m"], keepdims=1),
        helper.make_node("Add", ["x", "m"], ["z"]),
        weights=(numbers("s", 1, 1, 2**16, 2**16),),
    ),
    "tiles": before(
        helper.make_node("Tile", ["x", "t"], ["z"]), weights=(numbers("t", 1, 1, 1000, 1000),)
    ),
    "doubling": before(
        *(helper.make_node("Concat", [f"d{i}"] * 2, [f"d{i + 1}"], axis=3) for i in range(1, 40)),
        helper.make_node("Relu", ["x"], ["d1"]),
        helper.make_node("Relu", ["d40"], ["z"]),
    ),
    "doubling in order": before(
        helper.make_node("Relu", ["x"], ["d1"]),
        *(helper.make_node("Concat", [f"d{i}"] * 2, [f"d{i + 1}"], axis=3) for i in range(1, 40)),
        helper.make_node("Relu", ["d40"], ["z"]),
    ),
    "pads": before(
        helper.make_node("Pad", ["x", "p"], ["z"]),
        weights=(numbers("p", 0, 0, 0, 0, 0, 0, 2**20, 2**20),),
    ),
    "range": before(
        helper.make_node("Range", ["a", "b", "d"], ["r"]),
        helper.make_node("Cast", ["r"], ["f"], to=1),
        helper.make_node("ReduceMean", ["f"], ["m"], keepdims=0),
        helper.make_node("Add", ["x", "m"], ["z"]),
        weights=tuple(
            numpy_helper.from_array(np.array(value, np.int64), name)
            for name, value in (("a", 0), ("b", 2**40), ("d", 1))
        ),
    ),
    "opset 999": changed(lambda m: setattr(m.opset_import[0], "version", 999)),
    "two opsets": changed(lambda m: m.opset_import.add(domain="", version=12)),
    "function": changed(lambda m: m.functions.add(name="Evil", domain="com.evil")),
    "no graph": written("net.onnx", onnx.ModelProto(ir_version=8).SerializeToString()),
    "huge input": changed(
        lambda m: m.graph.input[0].CopyFrom(
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 2**30, 2**30])
        )
    ),
    "two inputs": changed(
        lambda m: m.graph.input.append(
            helper.make_tensor_value_info("x2", TensorProto.FLOAT, [1, 3, 112, 112])
        )
    ),
    "card of nonsense": metadata("no JSON"),
    "card that is nested": metadata("[" * 100_000),
    "card of a list": metadata("[1]"),
    "card with digits": metadata('{"name": "x", "dimension": ' + "9" * 10_000 + "}"),
    "long varint": written("net.onnx", b"\x08" + b"\xff" * 200),
    "group without end": written("net.onnx", b"\x0b" * 100_000),
    "claimed length": written("net.onnx", b"\x3a\xff\xff\xff\xff\x07" + b"x"),
    "nested messages": written("net.onnx", b"\x3a\xff\xff\x03" * 20_000),
    "pickle": written("net.onnx", b"cos\nsystem\n(S'touch canary'\ntR."),
    **{
        f"cut at {percent}%": written("net.onnx", WHOLE[: len(WHOLE) * percent // 100])
        for percent in (1, 50, 90, 99)
    },
}
for title, build in NETWORKS.items():
    add(f"onnx, {title}", "model", build)


@hostile("model")
def onnx_detector(folder: Path) -> Path:
    return write_detector(folder / "det.onnx")
