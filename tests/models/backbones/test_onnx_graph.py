"""Graphs made of ONNX operators, as backbones."""

from __future__ import annotations

import json

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import build_backbone
from facegeom_lit.models.backbones.onnx_graph import FUNCTIONS, OnnxGraph
from facegeom_lit.models.backbones.onnx_layers import ROLES
from facegeom_lit.models.backbones.onnx_operators import LARGEST, Call

NODES = [
    {
        "name": "conv",
        "op": "Conv",
        "inputs": ["x", "w", "b"],
        "outputs": ["c"],
        "attributes": {"strides": [8, 8]},
    },
    {"name": "act", "op": "Clip", "inputs": ["c", "low", "high"], "outputs": ["d"]},
    {"name": "pool", "op": "GlobalAveragePool", "inputs": ["d"], "outputs": ["e"]},
    {"name": "shape", "op": "Reshape", "inputs": ["e", "shape"], "outputs": ["f"]},
    {"name": "fc", "op": "MatMul", "inputs": ["f", "m"], "outputs": ["g"]},
    {"name": "again", "op": "MatMul", "inputs": ["g", "m"], "outputs": ["h"]},
]
GRAPH = {
    "nodes": NODES,
    "tensors": {"w": [16, 3, 3, 3], "b": [16], "m": [16, 16]},
    "constants": {
        "low": {"type": "float32", "shape": [], "values": [0.0]},
        "high": {"type": "float32", "shape": [], "values": ["inf"]},
        "shape": {"type": "int64", "shape": [2], "values": [0, -1]},
    },
    "source": "x",
    "result": "h",
    "opset": 17,
    "dimension": 16,
}


def test_graph_is_what_its_nodes_say() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("onnx_graph", **json.loads(json.dumps(GRAPH))).eval()
    images = torch.randn(3, 3, 112, 112)
    tensors = {name.rpartition(".")[2]: t for name, t in backbone.state_dict().items()}
    features = torch.nn.functional.conv2d(images, tensors["w"], tensors["b"], stride=8).relu()
    expected = features.mean((2, 3)) @ tensors["m"] @ tensors["m"]
    torch.testing.assert_close(backbone(images), expected)


def test_a_shared_tensor_stands_in_one_stage() -> None:
    backbone = OnnxGraph(**GRAPH)
    staged = [id(p) for _, stage in backbone.stages() for p in stage.parameters()]
    assert len(staged) == len(set(staged)) == len(list(backbone.parameters())) == 3
    assert [name for name, _ in backbone.stages()] == ["run1", "run2", "run3"]


MODULES = {
    "nodes": [
        {
            "name": "first",
            "op": "Conv",
            "inputs": ["x", "Conv_0.weight", "Conv_0.bias"],
            "outputs": ["a"],
            "attributes": {"strides": [4, 4], "pads": [1, 1, 1, 1]},
        },
        {
            "name": "second",
            "op": "BatchNormalization",
            "inputs": [
                "a",
                *(f"BatchNormalization_1.{part}" for part in ROLES["BatchNormalization"]),
            ],
            "outputs": ["b"],
            "attributes": {"momentum": 0.8},
        },
        {"name": "third", "op": "ReduceMean", "inputs": ["b", "axes"], "outputs": ["c"]},
        {"name": "fourth", "op": "Flatten", "inputs": ["c"], "outputs": ["d"]},
        {"name": "fifth", "op": "MatMul", "inputs": ["d", "MatMul_4.weight"], "outputs": ["e"]},
    ],
    "tensors": {
        "Conv_0.weight": [16, 3, 3, 3],
        "Conv_0.bias": [16],
        **{f"BatchNormalization_1.{part}": [16] for part in ROLES["BatchNormalization"]},
        "MatMul_4.weight": [24, 16],
    },
    "constants": {"axes": {"type": "int64", "shape": [2], "values": [2, 3]}},
    "result": "e",
    "opset": 18,
    "dimension": 24,
}


def test_layers_are_modules() -> None:
    torch.manual_seed(0)
    backbone = OnnxGraph(**MODULES)
    found = {type(m) for m in backbone.modules()}
    assert {torch.nn.Conv2d, torch.nn.Linear} < found
    norm = backbone.runs[1].BatchNormalization_1
    assert isinstance(norm, torch.nn.modules.batchnorm._BatchNorm)
    assert norm.momentum == pytest.approx(0.2)
    images = torch.randn(3, 3, 112, 112)
    twin = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, 4, 1), torch.nn.BatchNorm2d(16, momentum=0.2)
    )
    conv = backbone.runs[0].Conv_0
    twin[0].load_state_dict(conv.state_dict())
    expected = twin(images).mean((2, 3)) @ backbone.runs[2].MatMul_4.weight.T
    torch.testing.assert_close(backbone(images), expected)
    torch.testing.assert_close(norm.running_var, twin[1].running_var)
    norm.eval()  # as frozen statistics are
    before = norm.running_mean.clone()
    backbone(images)
    assert torch.equal(norm.running_mean, before)


def test_other_devices() -> None:
    """Sizes stay on the CPU, everything else follows the images; "meta" stands for a GPU."""
    for graph in (GRAPH, MODULES):
        backbone = OnnxGraph(**graph).to("meta")
        found = backbone(torch.zeros(2, 3, 112, 112, device="meta"))
        assert found.device.type == "meta"
        assert found.shape == (2, backbone.dimension)


def test_image_by_image() -> None:
    torch.manual_seed(0)
    images = torch.randn(3, 3, 112, 112)
    backbone = OnnxGraph(**GRAPH).eval()
    alone = OnnxGraph(**GRAPH, per_image=True).eval()
    alone.load_state_dict(backbone.state_dict())
    torch.testing.assert_close(alone(images), backbone(images))


def test_bad_graphs_are_explained() -> None:
    with pytest.raises(FaceGeomError, match=r"'mean' is a Loop, which is not among"):
        OnnxGraph([{"name": "mean", "op": "Loop", "inputs": ["x"], "outputs": ["y"]}])
    with pytest.raises(FaceGeomError, match=r"No ONNX node uses the tensors \['lost'\]"):
        OnnxGraph(**{**GRAPH, "tensors": {**GRAPH["tensors"], "lost": [2]}})
    with pytest.raises(FaceGeomError, match=r"An ONNX node lacks \['inputs', 'outputs'\]"):
        OnnxGraph([{"name": "mean", "op": "Relu"}])
    images = torch.zeros(1, 3, 112, 112)
    without = {**GRAPH, "constants": {}}
    with pytest.raises(FaceGeomError, match=r"'act' \(Clip\) takes \['low', 'high'\]"):
        OnnxGraph(**without)(images)
    with pytest.raises(FaceGeomError, match=r"'conv' \(Conv\) cannot be run .*\(1, 4, 112, 112\)"):
        OnnxGraph(**GRAPH)(torch.zeros(1, 4, 112, 112))
    with pytest.raises(FaceGeomError, match="No ONNX node makes the result 'z'"):
        OnnxGraph(**{**GRAPH, "result": "z"})(images)


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [
        ("ConstantOfShape", [torch.tensor([LARGEST, 2])], {}),
        ("Expand", [torch.zeros(1), torch.tensor([LARGEST, 2])], {}),
        ("Tile", [torch.zeros(2), torch.tensor([LARGEST])], {}),
        ("Pad", [torch.zeros(2, 2), torch.tensor([0, 0, LARGEST, 0])], {}),
        ("Add", [torch.zeros(2**16, 1), torch.zeros(1, 2**16)], {}),
        ("Range", [torch.tensor(0), torch.tensor(2 * LARGEST), torch.tensor(1)], {}),
        ("MaxPool", [torch.zeros(1, 1, 2, 2)], {"kernel_shape": [2, 2], "pads": [2**20] * 4}),
        ("Resize", [torch.zeros(1, 1, 2, 2), None, None, torch.tensor([1, 1, LARGEST, 2])], {}),
    ],
)
def test_giant_results_are_refused(op: str, inputs: list, attributes: dict) -> None:
    with pytest.raises(ValueError, match="too large"):
        FUNCTIONS[op](Call(inputs, attributes, 13))
