"""ONNX operators on whole tensors and on shapes, as torch functions.

Semantics: the ONNX operator specification, opsets 7 and later. Convolutions, pooling and
normalisation stand in `onnx_layers.py`.

Shapes are computed on the CPU, as small integer tensors: they are read back into Python, and that
would make a GPU wait.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Values = Tensor | tuple[Tensor, ...]
LARGEST = 2**30
"""Elements that one result may have: a damaged shape shall end in a message, not in swap."""

DTYPES = {
    1: torch.float32,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    # Half and double precision are the trainer's affair: here a real number is a float32.
    10: torch.float32,
    11: torch.float32,
    16: torch.float32,
}
"""Types by their number in ONNX's `TensorProto.DataType`."""


@dataclass(frozen=True)
class Call:
    """What an operator is called with.

    Attributes:
        inputs: Tensors in the order of the specification; None where one is left out.
        attributes: Plain values by name.
        opset: Version of the operator set.
        training: Whether batch norms shall use, and follow, the batch.
        outputs: How many results are wanted.
    """

    inputs: Sequence[Tensor | None]
    attributes: dict[str, Any]
    opset: int
    training: bool = False
    outputs: int = 1

    def at(self, position: int) -> Tensor:
        """The input at a position, which must be there."""
        found = self.get(position)
        if found is None:
            raise ValueError(f"input {position} is missing")
        return found

    def get(self, position: int) -> Tensor | None:
        """The input at a position, or None."""
        return self.inputs[position] if position < len(self.inputs) else None

    def numbers(self, position: int, attribute: str) -> list[int] | None:
        """Whole numbers: newer opsets give them as an input, older ones as an attribute."""
        given = self.get(position)
        if given is not None:
            return [int(value) for value in given.flatten().tolist()]
        return self.attributes.get(attribute)


def bounded(shape: Sequence[int]) -> list[int]:
    """A shape that has a sane number of elements.

    Raises:
        ValueError: When it has more than `LARGEST`.
    """
    if math.prod(max(1, int(side)) for side in shape) > LARGEST:
        raise ValueError(f"a result of shape {tuple(shape)} is too large")
    return [int(side) for side in shape]


def _elementwise(function: Callable[..., Tensor]) -> Callable[[Call], Tensor]:
    """An operator on tensors that are broadcast against each other."""

    def call(call: Call) -> Tensor:
        tensors = [tensor for tensor in call.inputs if tensor is not None]
        bounded(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
        # Numbers that were computed from a shape are still on the CPU.
        device = next((t.device for t in tensors if t.device.type != "cpu"), tensors[0].device)
        return function(*(tensor.to(device) for tensor in tensors))

    return call


def _divide(first: Tensor, second: Tensor) -> Tensor:
    whole = not (first.is_floating_point() or second.is_floating_point())
    return torch.div(first, second, rounding_mode="trunc" if whole else None)


def _modulo(call: Call) -> Tensor:
    function = torch.fmod if call.attributes.get("fmod", 0) else torch.remainder
    return function(call.at(0), call.at(1))


def _power(base: Tensor, exponent: Tensor) -> Tensor:
    return torch.pow(base, exponent).to(base.dtype)


def _clip(call: Call) -> Tensor:
    low, high = call.get(1), call.get(2)
    return torch.clamp(
        call.at(0),
        call.attributes.get("min") if low is None else low.item(),
        call.attributes.get("max") if high is None else high.item(),
    )


def _cast(call: Call) -> Tensor:
    kind = call.attributes["to"]
    if kind not in DTYPES:
        raise ValueError(f"a cast to ONNX type {kind} is not supported")
    return call.at(0).to(DTYPES[kind])


def _flatten(call: Call) -> Tensor:
    axis = call.attributes.get("axis", 1)
    shape = call.at(0).shape
    axis += len(shape) if axis < 0 else 0
    return call.at(0).reshape(math.prod(shape[:axis]), math.prod(shape[axis:]))


def _reshape(call: Call) -> Tensor:
    x, shape = call.at(0), call.numbers(1, "shape") or []
    if not call.attributes.get("allowzero", 0):
        shape = [x.shape[axis] if side == 0 else side for axis, side in enumerate(shape)]
    return x.reshape(shape)


def _transpose(call: Call) -> Tensor:
    x = call.at(0)
    return x.permute(call.attributes.get("perm") or list(range(x.dim()))[::-1])


def _squeeze(call: Call) -> Tensor:
    axes = call.numbers(1, "axes")
    return call.at(0).squeeze() if axes is None else call.at(0).squeeze(tuple(axes))


def _unsqueeze(call: Call) -> Tensor:
    x, axes = call.at(0), call.numbers(1, "axes") or []
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _concatenate(call: Call) -> Tensor:
    tensors = [tensor for tensor in call.inputs if tensor is not None]
    device = next((t.device for t in tensors if t.device.type != "cpu"), tensors[0].device)
    return torch.cat([tensor.to(device) for tensor in tensors], call.attributes["axis"])


def _split(call: Call) -> tuple[Tensor, ...]:
    x, axis = call.at(0), call.attributes.get("axis", 0)
    sizes = call.numbers(1, "split")
    if sizes is None:
        parts = call.attributes.get("num_outputs", call.outputs)
        return x.split(-(-x.shape[axis] // parts), axis)
    return x.split(sizes, axis)


def _slice(call: Call) -> Tensor:
    x = call.at(0)
    starts, ends = call.numbers(1, "starts") or [], call.numbers(2, "ends") or []
    axes = call.numbers(3, "axes") or list(range(len(starts)))
    steps = call.numbers(4, "steps") or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # Python clamps both ends as the specification does; torch takes no negative step.
        kept = range(x.shape[axis])[start:end:step]
        if step == 1:
            x = x.narrow(axis, kept.start, len(kept))
        else:
            x = x.index_select(axis, torch.tensor(list(kept), dtype=torch.int64, device=x.device))
    return x


def _gather(call: Call) -> Tensor:
    x, indices, axis = call.at(0), call.at(1), call.attributes.get("axis", 0)
    indices = indices.to(x.device)
    indices = torch.where(indices < 0, indices + x.shape[axis], indices)
    axis %= x.dim()
    chosen = x.index_select(axis, indices.flatten())
    return chosen.reshape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]))


def _shape(call: Call) -> Tensor:
    sides = list(call.at(0).shape)
    start, end = call.attributes.get("start", 0), call.attributes.get("end", len(sides))
    return torch.tensor(sides[start:end], dtype=torch.int64)


def _filled(call: Call) -> Tensor:
    value = call.attributes.get("value", 0.0)
    return torch.full(bounded(call.numbers(0, "shape") or []), value)


def _range(call: Call) -> Tensor:
    start, limit, delta = (call.at(position).item() for position in range(3))
    if delta == 0:
        raise ValueError("a range needs a step other than 0")
    bounded([math.ceil(max(0, (limit - start) / delta))])
    return torch.arange(start, limit, delta, dtype=call.at(0).dtype)


def _expand(call: Call) -> Tensor:
    x, shape = call.at(0), call.numbers(1, "shape") or []
    return x.expand(bounded(torch.broadcast_shapes(x.shape, shape)))


def _tile(call: Call) -> Tensor:
    x, repeats = call.at(0), call.numbers(1, "repeats") or []
    bounded([side * count for side, count in zip(x.shape, repeats, strict=True)])
    return x.repeat(repeats)


def _pad(call: Call) -> Tensor:
    x, pads = call.at(0), call.numbers(1, "pads") or []
    axes = call.numbers(3, "axes") or list(range(x.dim()))
    full = [(0, 0)] * x.dim()
    for place, axis in enumerate(axes):
        full[axis] = (pads[place], pads[place + len(axes)])
    bounded([side + sum(pair) for side, pair in zip(x.shape, full, strict=True)])
    amounts = [amount for pair in reversed(full) for amount in pair]  # torch: last axis first
    mode = call.attributes.get("mode", "constant")
    if mode == "constant":
        value = call.get(2)
        fill = call.attributes.get("value", 0.0) if value is None else value.item()
        return F.pad(x, amounts, value=fill)
    if any(full[0]) or any(full[1]):
        raise ValueError(f"padding by {mode} is supported along the last axes only")
    return F.pad(x, amounts[:-4], mode="replicate" if mode == "edge" else mode)


def _reduce(function: Callable[..., Tensor]) -> Callable[[Call], Tensor]:
    """A reduction over given axes, or over all of them."""

    def call(call: Call) -> Tensor:
        x, axes = call.at(0), call.numbers(1, "axes")
        if not axes:
            if call.attributes.get("noop_with_empty_axes", 0):
                return x
            axes = list(range(x.dim()))
        return function(x, axes, bool(call.attributes.get("keepdims", 1)))

    return call


def _norm(order: int) -> Callable[[Tensor, list[int], bool], Tensor]:
    return lambda x, axes, keep: torch.linalg.vector_norm(x, order, axes, keep)


def _softmax(call: Call) -> Tensor:
    x = call.at(0)
    if call.opset >= 13:
        return x.softmax(call.attributes.get("axis", -1))
    axis = call.attributes.get("axis", 1) % x.dim()  # all axes from here on are one
    return x.flatten(axis).softmax(-1).reshape(x.shape)


OPERATORS: dict[str, Callable[[Call], Values]] = {
    "Abs": _elementwise(torch.abs),
    "Add": _elementwise(torch.add),
    "Cast": _cast,
    "Ceil": _elementwise(torch.ceil),
    "Clip": _clip,
    "Concat": _concatenate,
    "ConstantOfShape": _filled,
    "Cos": _elementwise(torch.cos),
    "Div": _elementwise(_divide),
    "Dropout": lambda call: call.at(0),
    "Elu": lambda call: F.elu(call.at(0), call.attributes.get("alpha", 1.0)),
    "Equal": _elementwise(torch.eq),
    "Erf": _elementwise(torch.erf),
    "Exp": _elementwise(torch.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _elementwise(torch.floor),
    "Gather": _gather,
    "Gelu": lambda call: F.gelu(call.at(0), approximate=call.attributes.get("approximate", "none")),
    "Greater": _elementwise(torch.gt),
    "HardSigmoid": lambda call: torch.clamp(
        call.at(0) * call.attributes.get("alpha", 0.2) + call.attributes.get("beta", 0.5), 0, 1
    ),
    "HardSwish": _elementwise(F.hardswish),
    "Identity": lambda call: call.at(0),
    "LeakyRelu": lambda call: F.leaky_relu(call.at(0), call.attributes.get("alpha", 0.01)),
    "Less": _elementwise(torch.lt),
    "Log": _elementwise(torch.log),
    "MatMul": lambda call: torch.matmul(call.at(0), call.at(1)),
    "Max": _elementwise(lambda *tensors: torch.stack(torch.broadcast_tensors(*tensors)).amax(0)),
    "Min": _elementwise(lambda *tensors: torch.stack(torch.broadcast_tensors(*tensors)).amin(0)),
    "Mish": _elementwise(F.mish),
    "Mod": _modulo,
    "Mul": _elementwise(torch.mul),
    "Neg": _elementwise(torch.neg),
    "Not": _elementwise(torch.logical_not),
    "Pad": _pad,
    "Pow": _elementwise(_power),
    "Range": _range,
    "Reciprocal": _elementwise(torch.reciprocal),
    "ReduceL1": _reduce(_norm(1)),
    "ReduceL2": _reduce(_norm(2)),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMean": _reduce(torch.mean),
    "ReduceMin": _reduce(torch.amin),
    "ReduceSum": _reduce(torch.sum),
    "Relu": _elementwise(torch.relu),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _elementwise(torch.sigmoid),
    "Sin": _elementwise(torch.sin),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _elementwise(F.softplus),
    "Split": _split,
    "Sqrt": _elementwise(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _elementwise(torch.sub),
    "Tanh": _elementwise(torch.tanh),
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _elementwise(torch.where),
}
"""Functions by operator name."""
