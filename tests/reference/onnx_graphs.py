"""ONNX graphs in the layouts that InsightFace publishes, made by hand with random weights.

Nothing of the package is used: the tests compare with these graphs as onnxruntime runs them. Batch
norms after convolutions are folded as torch's exporter folds them in evaluation mode, tensors are
named by numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

EPSILON = 1e-5


class GraphBuilder:
    """Collects nodes and weights; every method takes and gives names of values."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.counter = 684

    def name(self) -> str:
        self.counter += 1
        return str(self.counter)

    def weight(self, array: np.ndarray | Sequence[float]) -> str:
        array = np.asarray(array)
        kind = np.float32 if array.dtype.kind == "f" else array.dtype
        self.weights.append(numpy_helper.from_array(array.astype(kind), self.name()))
        return self.weights[-1].name

    def add(self, op: str, *inputs: str, **attributes: object) -> str:
        output = self.name()
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        return output

    def norm_arrays(self, channels: int) -> tuple[np.ndarray, ...]:
        weight, variance = self.random.uniform(0.5, 1.5, (2, channels))
        bias, mean = self.random.normal(0, 0.3, (2, channels))
        return weight, bias, mean, variance

    def norm(self, x: str, channels: int) -> str:
        arrays = self.norm_arrays(channels)
        names = [self.weight(array) for array in arrays]
        return self.add("BatchNormalization", x, *names, epsilon=EPSILON, momentum=0.9)

    def conv_norm(
        self,
        x: str,
        shape: tuple[int, int],
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        padding: int = 0,
        group: int = 1,
        folded: bool = True,
    ) -> str:
        """A convolution from shape[0] to shape[1] channels and its batch norm."""
        inputs, outputs = shape
        fan = inputs // group * kernel[0] * kernel[1]
        kernels = self.random.normal(0, fan**-0.5, (outputs, inputs // group, *kernel))
        attributes = {
            "dilations": [1, 1],
            "group": group,
            "kernel_shape": list(kernel),
            "pads": [padding] * 4,
            "strides": [stride] * 2,
        }
        if not folded:
            return self.norm(self.add("Conv", x, self.weight(kernels), **attributes), outputs)
        weight, bias, mean, variance = self.norm_arrays(outputs)
        scale = weight / np.sqrt(variance + EPSILON)
        names = (
            self.weight(kernels * scale[:, None, None, None]),
            self.weight(bias - mean * scale),
        )
        return self.add("Conv", x, *names, **attributes)

    def prelu(self, x: str, channels: int) -> str:
        return self.add("PRelu", x, self.weight(self.random.uniform(0, 0.5, (channels, 1, 1))))

    def linear(self, x: str, inputs: int, outputs: int, bias: bool = True) -> str:
        matrix = self.random.normal(0, inputs**-0.5, (outputs, inputs))
        if not bias:
            return self.add("MatMul", x, self.weight(matrix.T.copy()))
        offset = self.weight(self.random.normal(0, 0.3, outputs))
        return self.add("Gemm", x, self.weight(matrix), offset, alpha=1.0, beta=1.0, transB=1)

    def save(
        self,
        path: Path,
        source: str,
        results: dict[str, Sequence[int | str]],
        *,
        size: Sequence[int | str] = (112, 112),
        batch: int | str = "None",
        opset: int = 11,
    ) -> Path:
        model = helper.make_model(
            helper.make_graph(
                self.nodes,
                "torch-jit-export",
                [helper.make_tensor_value_info(source, TensorProto.FLOAT, [batch, 3, *size])],
                [
                    helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                    for name, shape in results.items()
                ],
                self.weights,
            ),
            opset_imports=[helper.make_opsetid("", opset)],
            ir_version=8,
        )
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path


def iresnet_onnx(
    path: Path,
    *,
    blocks: Sequence[int] = (2, 2, 2, 2),
    channels: Sequence[int] = (16, 16, 32, 64, 128),
    dimension: int = 32,
    folded: bool = True,
    last_norm: bool = True,
    normalises: bool = False,
    batch: int | str = "None",
    seed: int = 0,
) -> Path:
    """IResNet as `w600k_r50.onnx` (folded=True, blocks (3, 4, 14, 3), 64 … 512 channels).

    Args:
        path: The file to write.
        blocks: Blocks in each layer.
        channels: Channels of the stem and of the layers.
        dimension: Length of the embedding.
        folded: Whether batch norms are folded into the convolutions before them.
        last_norm: Whether a batch norm follows the linear map, or is folded into it.
        normalises: Whether the graph takes 0–255 and begins with nodes Sub and Mul.
        batch: Size of the batch; text leaves it open.
        seed: Of the weights.
    """
    b = GraphBuilder(seed)
    x = source = "input.1"
    if normalises:
        x = b.add("Sub", x, b.weight(np.full((1, 3, 1, 1), 127.5)))
        x = b.add("Mul", x, b.weight(np.array(1 / 128.0)))
    inputs = channels[0]
    x = b.prelu(b.conv_norm(x, (3, inputs), padding=1, folded=folded), inputs)
    for count, outputs in zip(blocks, channels[1:], strict=True):
        for block in range(count):
            stride = 2 if block == 0 else 1
            y = b.conv_norm(b.norm(x, inputs), (inputs, outputs), padding=1, folded=folded)
            y = b.prelu(y, outputs)
            y = b.conv_norm(y, (outputs, outputs), stride=stride, padding=1, folded=folded)
            if block == 0:
                x = b.conv_norm(x, (inputs, outputs), (1, 1), stride, folded=folded)
            x = b.add("Add", y, x)
            inputs = outputs
    x = b.add("Flatten", b.norm(x, inputs), axis=1)
    x = b.linear(x, inputs * 49, dimension)
    x = b.norm(x, dimension) if last_norm else x
    return b.save(path, source, {x: (batch, dimension)}, batch=batch)


def mobilefacenet_onnx(
    path: Path,
    *,
    blocks: Sequence[int] = (1, 4, 6, 2),
    scale: int = 2,
    width: float = 0.25,
    dimension: int = 32,
    folded: bool = True,
    flatten: str = "Flatten",
    batch: int | str = "None",
    seed: int = 0,
) -> Path:
    """MobileFaceNet as `arcface_torch`'s `get_mbf` (scale 2, width 1, 512-d) is exported.

    Args:
        path: The file to write.
        blocks: Blocks in each stage; a first 1 stands for a plain depthwise convolution.
        scale: Multiplier of the trunk's channels.
        width: Multiplier of all channels.
        dimension: Length of the embedding.
        folded: Whether batch norms are folded into the convolutions before them.
        flatten: "Flatten", "Reshape" to a constant shape, or "view": to one read off the tensor.
        batch: Size of the batch; text leaves it open.
        seed: Of the weights.
    """
    b = GraphBuilder(seed)
    base = int(64 * width)
    narrow, wide = base * scale, 2 * base * scale
    small, middle, large = 2 * base, 4 * base, 8 * base

    def conv(x: str, shape: tuple[int, int], act: bool = True, **facts: object) -> str:
        x = b.conv_norm(x, shape, folded=folded, **facts)  # type: ignore[arg-type]
        return b.prelu(x, shape[1]) if act else x

    def bottleneck(x: str, shape: tuple[int, int], hidden: int, residual: bool) -> str:
        y = conv(x, (shape[0], hidden), kernel=(1, 1))
        stride = 1 if residual else 2
        y = conv(y, (hidden, hidden), stride=stride, padding=1, group=hidden)
        y = conv(y, (hidden, shape[1]), kernel=(1, 1), act=False)
        return b.add("Add", x, y) if residual else y

    def run(x: str, channels: int, hidden: int, count: int) -> str:
        for _ in range(count):
            x = bottleneck(x, (channels, channels), hidden, True)
        return x

    x = conv("input.1", (3, narrow), stride=2, padding=1)
    if blocks[0] == 1:
        x = conv(x, (narrow, narrow), padding=1, group=base)
    else:
        x = run(x, narrow, small, blocks[0])
    x = run(bottleneck(x, (narrow, narrow), small, False), narrow, small, blocks[1])
    x = run(bottleneck(x, (narrow, wide), middle, False), wide, middle, blocks[2])
    x = run(bottleneck(x, (wide, wide), large, False), wide, middle, blocks[3])
    x = conv(x, (wide, large), kernel=(1, 1))
    x = conv(x, (large, large), kernel=(7, 7), group=large, act=False)
    if flatten == "Flatten":
        x = b.add("Flatten", x, axis=1)
    elif flatten == "Reshape":
        x = b.add("Reshape", x, b.weight(np.array([1, -1])))
    else:
        size = b.add("Gather", b.add("Shape", x), b.weight(np.array(0)), axis=0)
        shape = b.add("Concat", b.add("Unsqueeze", size, axes=[0]), b.weight([-1]), axis=0)
        x = b.add("Reshape", x, shape)
    x = b.norm(b.linear(x, large, dimension, bias=False), dimension)
    return b.save(path, "input.1", {x: (batch, dimension)}, batch=batch)


def squeeze_excite_onnx(
    path: Path, *, batch: int | str = "None", dimension: int = 32, side: int = 112
) -> Path:
    """A small network with squeeze-and-excitation, HardSwish by parts, and a normalised output."""
    b = GraphBuilder(1)
    x = b.conv_norm("data", (3, 16), stride=2, padding=1)
    x = b.add("Mul", x, b.add("HardSigmoid", x, alpha=1 / 6, beta=0.5))
    y = b.add("GlobalAveragePool", x)
    y = b.add("Relu", b.conv_norm(y, (16, 4), (1, 1)))
    y = b.add("Sigmoid", b.conv_norm(y, (4, 16), (1, 1)))
    x = b.add("MaxPool", b.add("Mul", x, y), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    x = b.add("LeakyRelu", b.conv_norm(x, (16, 32), stride=2, padding=1, folded=False), alpha=0.1)
    x = b.add("AveragePool", x, kernel_shape=[7, 7], strides=[7, 7])
    x = b.linear(b.add("Reshape", x, b.weight(np.array([-1, 32 * 4]))), 128, dimension)
    norm = b.add("ReduceL2", x, axes=[1], keepdims=1)
    norm = b.add("Clip", norm, b.weight(np.array(1e-6)))
    x = b.add("Div", x, norm)
    return b.save(path, "data", {x: (batch, dimension)}, size=(side, side), batch=batch)


def shuffle_onnx(path: Path, *, batch: int | str = 1, dimension: int = 32) -> Path:
    """A ShuffleNet-like network: channels are split, concatenated and shuffled by reshapes."""
    b = GraphBuilder(2)
    x = b.add("Relu", b.conv_norm("data", (3, 32), stride=4, padding=1))
    for _ in range(3):
        left, right = b.name(), b.name()
        b.nodes.append(helper.make_node("Split", [x], [left, right], f"Split_{x}", axis=1))
        y = b.add("Relu", b.conv_norm(right, (16, 16), (1, 1)))
        y = b.conv_norm(y, (16, 16), padding=1, group=16)
        x = b.add("Concat", left, y, axis=1)
        x = b.add("Reshape", x, b.weight(np.array([1, 2, 16, 28, 28])))
        x = b.add("Transpose", x, perm=[0, 2, 1, 3, 4])
        x = b.add("Reshape", x, b.weight(np.array([1, 32, 28, 28])))
    x = b.add("ReduceMean", x, axes=[2, 3], keepdims=0)
    return b.save(path, "data", {b.linear(x, 32, dimension): (batch, dimension)}, batch=batch)


def detector_onnx(path: Path) -> Path:
    """Outputs as a detector has them: scores, boxes and points at one stride."""
    b = GraphBuilder(3)
    x = b.conv_norm("input.1", (3, 8), stride=2, padding=1)
    results: dict[str, Sequence[int | str]] = {}
    for channels in (2, 8, 20):
        results[b.conv_norm(x, (8, channels), (1, 1))] = (1, channels, "h", "w")
    return b.save(path, "input.1", results, size=("h", "w"), batch=1)


def genderage_onnx(path: Path) -> Path:
    """An attribute network: 96×96 in, three numbers out."""
    b = GraphBuilder(4)
    x = b.add("GlobalAveragePool", b.conv_norm("data", (3, 8), stride=2, padding=1))
    x = b.linear(b.add("Flatten", x), 8, 3)
    return b.save(path, "data", {x: ("None", 3)}, size=(96, 96))
