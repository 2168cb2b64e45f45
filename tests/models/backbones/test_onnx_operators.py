"""Every ONNX operator of ours against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from facegeom_lit.models.backbones.onnx_graph import FUNCTIONS
from facegeom_lit.models.backbones.onnx_operators import Call

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 6, 7, 8)).astype(np.float32)
Y = RANDOM.normal(size=(2, 6, 7, 8)).astype(np.float32)
POSITIVE = np.abs(X) + 0.1
C = RANDOM.normal(size=(6, 1, 1)).astype(np.float32)
V = RANDOM.uniform(0.5, 1.5, 6).astype(np.float32)
M = RANDOM.normal(size=(4, 6)).astype(np.float32)
K = RANDOM.normal(size=(4, 6, 3, 3)).astype(np.float32)
K2 = RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)
KT = RANDOM.normal(size=(6, 4, 3, 3)).astype(np.float32)
B4 = RANDOM.normal(size=4).astype(np.float32)
ROW = RANDOM.normal(size=8).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


NONE = None
SCALAR = np.float32(1.5)
Case = tuple[str, list[Any], dict[str, Any], int]
CASES: list[Case] = [
    ("Abs", [X], {}, 13),
    ("Add", [X, C], {}, 13),
    ("AveragePool", [X], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, 13),
    (
        "AveragePool",
        [X],
        {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1], "count_include_pad": 1},
        13,
    ),
    ("AveragePool", [X], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, 13),
    ("BatchNormalization", [X, V, V, V, V], {"epsilon": 2e-5}, 14),
    ("Cast", [ints(3, 0)], {"to": 1}, 13),
    ("Cast", [f32(3.7, -1.2)], {"to": 7}, 13),
    ("Ceil", [X], {}, 13),
    ("Clip", [X, np.float32(0), np.float32(6)], {}, 13),
    ("Clip", [X, NONE, np.float32(0.5)], {}, 13),
    ("Clip", [X], {"min": -0.5, "max": 0.5}, 10),
    ("Concat", [X, Y], {"axis": 1}, 13),
    ("ConstantOfShape", [ints(2, 3)], {"value": np.array([2.5], np.float32)}, 13),
    ("ConstantOfShape", [ints(2, 3)], {"value": np.array([4], np.int64)}, 13),
    ("Conv", [X, K, B4], {"pads": [1, 1, 1, 1], "strides": [2, 2]}, 13),
    ("Conv", [X, K2], {"group": 2, "dilations": [2, 2]}, 13),
    ("Conv", [X, K, B4], {"pads": [0, 1, 2, 1]}, 13),
    ("Conv", [X, K, B4], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, 13),
    ("Conv", [X, K, B4], {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, 13),
    ("Conv", [X, K, B4], {"auto_pad": "VALID"}, 13),
    (
        "ConvTranspose",
        [X, KT, B4],
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        13,
    ),
    ("Cos", [X], {}, 13),
    ("Div", [X, POSITIVE], {}, 13),
    ("Div", [ints(7, -7), ints(2, 2)], {}, 13),
    ("Dropout", [X], {}, 13),
    ("Elu", [X], {"alpha": 0.7}, 13),
    ("Equal", [ints(1, 2), ints(1, 3)], {}, 13),
    ("Erf", [X], {}, 13),
    ("Exp", [X], {}, 13),
    ("Expand", [C, ints(2, 1, 7, 8)], {}, 13),
    ("Flatten", [X], {"axis": 2}, 13),
    ("Flatten", [X], {"axis": -1}, 13),
    ("Floor", [X], {}, 13),
    ("Gather", [X, ints(2, -1)], {"axis": 1}, 13),
    ("Gather", [X, np.array(3)], {"axis": -1}, 13),
    ("Gather", [ints(5, 6, 7), np.array([[0, 1], [2, 2]])], {}, 13),
    ("Gelu", [X], {}, 20),
    ("Gelu", [X], {"approximate": "tanh"}, 20),
    ("Gemm", [M, M, np.float32(0.5)], {"transB": 1, "alpha": 2.0, "beta": 0.5}, 13),
    ("Gemm", [M, M], {"transA": 1}, 13),
    ("GlobalAveragePool", [X], {}, 13),
    ("GlobalMaxPool", [X], {}, 13),
    ("Greater", [X, Y], {}, 13),
    ("HardSigmoid", [X], {"alpha": 0.3, "beta": 0.4}, 13),
    ("HardSwish", [X], {}, 14),
    ("Identity", [X], {}, 13),
    ("InstanceNormalization", [X, V, V], {}, 13),
    ("LayerNormalization", [X, ROW, ROW], {"epsilon": 1e-6}, 17),
    ("LayerNormalization", [X, ROW], {"axis": 2}, 17),
    ("LeakyRelu", [X], {"alpha": 0.2}, 13),
    ("Less", [X, Y], {}, 13),
    ("Log", [POSITIVE], {}, 13),
    ("LpNormalization", [X], {"axis": 1, "p": 2}, 13),
    ("MatMul", [X, Y.transpose(0, 1, 3, 2).copy()], {}, 13),
    ("Max", [X, Y, C], {}, 13),
    ("MaxPool", [X], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, 12),
    ("MaxPool", [X], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}, 12),
    ("MaxPool", [X], {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]}, 12),
    ("Min", [X, Y], {}, 13),
    ("Mish", [X], {}, 18),
    ("Mod", [ints(7, -7), ints(3, 3)], {}, 13),
    ("Mod", [X, POSITIVE], {"fmod": 1}, 13),
    ("Mul", [X, C], {}, 13),
    ("Neg", [X], {}, 13),
    ("Not", [np.array([True, False])], {}, 13),
    ("PRelu", [X, C], {}, 13),
    ("PRelu", [X, f32(0.3)], {}, 13),
    ("Pad", [X, ints(0, 0, 1, 2, 0, 0, 0, 3), np.float32(2)], {}, 13),
    ("Pad", [X, ints(0, 1, 0, 0, 0, 0, 0, 0)], {}, 13),
    ("Pad", [X, ints(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": "reflect"}, 13),
    ("Pad", [X, ints(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": "edge"}, 13),
    ("Pad", [X], {"pads": [0, 0, 1, 2, 0, 0, 0, 3], "value": 1.0}, 10),
    ("Pow", [POSITIVE, np.float32(1.5)], {}, 13),
    ("Range", [np.array(2), np.array(9), np.array(3)], {}, 13),
    ("Reciprocal", [POSITIVE], {}, 13),
    ("ReduceL1", [X], {"axes": [1]}, 13),
    ("ReduceL2", [X], {"axes": [1, 2], "keepdims": 0}, 13),
    ("ReduceMax", [X], {"axes": [-1]}, 13),
    ("ReduceMean", [X], {"axes": [2, 3]}, 13),
    ("ReduceMean", [X, ints(2, 3)], {}, 18),
    ("ReduceMin", [X], {}, 13),
    ("ReduceSum", [X, ints(1)], {"keepdims": 0}, 13),
    ("ReduceSum", [X], {"noop_with_empty_axes": 1}, 13),
    ("Relu", [X], {}, 13),
    ("Reshape", [X, ints(0, -1, 4)], {}, 13),
    (
        "Resize",
        [X, NONE, f32(1, 1, 2, 2)],
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        13,
    ),
    ("Resize", [X, NONE, f32(1, 1, 2, 2)], {"mode": "linear"}, 13),
    (
        "Resize",
        [X, NONE, NONE, ints(2, 6, 14, 4)],
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        13,
    ),
    ("Shape", [X], {}, 13),
    ("Shape", [X], {"start": 1, "end": 3}, 15),
    ("Sigmoid", [X], {}, 13),
    ("Sin", [X], {}, 13),
    ("Slice", [X, ints(1, -3), ints(5, 2**31), ints(1, 3), ints(2, 1)], {}, 13),
    ("Slice", [X, ints(-1), ints(-(2**31)), ints(3), ints(-2)], {}, 13),
    ("Slice", [X, ints(1), ints(9)], {}, 13),
    ("Slice", [X], {"starts": [1, 2], "ends": [3, 5], "axes": [1, 2]}, 9),
    ("Softmax", [X], {"axis": 1}, 13),
    ("Softmax", [X], {"axis": 2}, 11),
    ("Softplus", [X], {}, 13),
    ("Split", [X, ints(2, 4)], {"axis": 1}, 13),
    ("Split", [X], {"axis": 1, "split": [1, 5]}, 11),
    ("Split", [X], {"axis": 1}, 11),
    ("Split", [X], {"axis": 2, "num_outputs": 2}, 18),
    ("Sqrt", [POSITIVE], {}, 13),
    ("Squeeze", [C, ints(-1, 1)], {}, 13),
    ("Squeeze", [C], {}, 13),
    ("Squeeze", [C], {"axes": [1]}, 11),
    ("Sub", [X, SCALAR], {}, 13),
    ("Tanh", [X], {}, 13),
    ("Tile", [C, ints(2, 1, 3)], {}, 13),
    ("Transpose", [X], {"perm": [0, 2, 3, 1]}, 13),
    ("Transpose", [M], {}, 13),
    ("Unsqueeze", [M, ints(0, -1)], {}, 13),
    ("Unsqueeze", [M], {"axes": [1]}, 11),
    ("Upsample", [X, f32(1, 1, 2, 2)], {"mode": "nearest"}, 9),
    ("Where", [X > 0, X, Y], {}, 13),
]


def plain(attributes: dict[str, Any]) -> dict[str, Any]:
    """As `read_graph` gives them: a tensor of one value becomes that value."""
    return {k: v.item() if isinstance(v, np.ndarray) else v for k, v in attributes.items()}


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "opset"),
    CASES,
    ids=[f"{i}-{case[0]}-{case[3]}" for i, case in enumerate(CASES)],
)
def test_operator_agrees_with_onnxruntime(
    op: str, inputs: list[Any], attributes: dict[str, Any], opset: int
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    names = ["" if array is None else f"i{place}" for place, array in enumerate(inputs)]
    outputs = ["a", "b"] if op == "Split" else ["a"]
    given = {name: np.asarray(array) for name, array in zip(names, inputs, strict=True) if name}
    facts = {
        k: numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v
        for k, v in attributes.items()
    }
    graph = helper.make_graph(
        [helper.make_node(op, names, outputs, **facts)],
        "one",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in given.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    expected = session.run(None, given)
    tensors = [None if a is None else torch.from_numpy(np.array(a)) for a in inputs]
    found = FUNCTIONS[op](Call(tensors, plain(attributes), opset, outputs=len(outputs)))
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.shape == theirs.shape
        wanted = torch.from_numpy(np.array(theirs))
        torch.testing.assert_close(mine.to(wanted.dtype), wanted, atol=2e-6, rtol=2e-5)
        if not mine.is_floating_point():
            assert mine.dtype == wanted.dtype


def test_every_operator_is_tested() -> None:
    assert {case[0] for case in CASES} == set(FUNCTIONS)


def test_batch_norm_follows_the_batch_in_training() -> None:
    x = torch.randn(4, 6, 5, 5)
    ours = [torch.rand(6) + 0.5 for _ in range(4)]
    theirs = torch.nn.BatchNorm2d(6, momentum=0.1)
    theirs.load_state_dict(
        dict(
            zip(
                ("weight", "bias", "running_mean", "running_var"),
                (tensor.clone() for tensor in ours),
                strict=True,
            )
        ),
        strict=False,
    )
    call = Call([x, *ours], {"momentum": 0.9}, 13, training=True)
    torch.testing.assert_close(FUNCTIONS["BatchNormalization"](call), theirs(x))
    torch.testing.assert_close(ours[2], theirs.running_mean)
    torch.testing.assert_close(ours[3], theirs.running_var)
