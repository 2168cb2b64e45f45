"""Detectors for `facegeom crop` and `facegeom export`: damaged, of another kind, or hostile."""

from __future__ import annotations

from pathlib import Path

import onnx
from hostile.cases import Build, Source, add, written
from hostile.networks import NETWORKS, numbers, shaped
from models.weights.tiny_detector import write_detector
from onnx import TensorProto, helper

YUNET = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)]


def posing(outputs: list[str], op: str = "Relu", dims: tuple[int, ...] = (1,)) -> onnx.ModelProto:
    """A network with the outputs of a detector and nothing behind them."""
    x = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 640, 640])
    nodes = [helper.make_node(op, ["input", "w"][: 1 + (op == "Add")], [name]) for name in outputs]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(nodes, "net", [x], values, [shaped("w", *dims)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


def detector(change: str) -> Build:
    """The small detector with one thing changed."""

    def build(folder: Path) -> Source:
        path = write_detector(folder / "det.onnx")
        model = onnx.load(path)
        if change == "cut":
            path.write_bytes(path.read_bytes()[:-500])
            return path
        weight = model.graph.initializer[0]
        if change == "data outside":
            (folder / "secret").write_bytes(bytes(2**20))
            weight.ClearField("raw_data")
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.add(key="location", value="../secret")
            (folder / "in").mkdir()
            path = folder / "in" / "det.onnx"
        elif change == "dims":
            weight.CopyFrom(shaped(weight.name, 2**31, 2**31))
        elif change == "domain":
            model.graph.node[3].domain = "com.evil"
        elif change == "cycle":
            model.graph.node[0].input[0] = model.graph.node[-1].output[0]
        elif change == "memory":
            node = helper.make_node("ConstantOfShape", ["huge"], ["filled"])
            model.graph.node.insert(0, node)
            model.graph.initializer.append(numbers("huge", 2**20, 2**20))
            model.graph.output[0].CopyFrom(
                helper.make_tensor_value_info("filled", TensorProto.FLOAT, None)
            )
        path.write_bytes(model.SerializeToString())
        return path

    return build


for way in ("pack", "insightface", "yunet"):
    for kind in ("cut", "data outside", "dims", "domain", "cycle"):
        add(f"detector with {kind}", way, detector(kind))
    for kind in ("Loop", "cycle", "custom domain", "long varint", "nested messages"):
        add(f"network with {kind}", way, NETWORKS[kind])
    for count in (1, 6, 12):
        model = posing([f"o{number}" for number in range(count)])
        add(f"network of {count} outputs", way, written("det.onnx", model.SerializeToString()))
    add("no ONNX", way, written("det.onnx", b"MZ\x90\0" + bytes(1000)))
for title, model in {
    "names alone": posing(YUNET),
    "dims": posing(YUNET, "Add", (2**31, 2**31)),
    "unknown operators": posing(YUNET, "Evil"),
}.items():
    add(f"posing with {title}", "yunet", written("yunet.onnx", model.SerializeToString()))
    if title != "names alone":  # what is no YuNet in spite of its outputs fails on the first photo
        add(f"posing with {title}", "pack", written("yunet.onnx", model.SerializeToString()))
