"""ONNX operators with weights, windows or statistics, as torch functions.

Semantics: the ONNX operator specification, opsets 7 and later, for two spatial axes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from facegeom_lit.models.backbones.onnx_operators import Call, Values, bounded


def _pads(call: Call, x: Tensor, kernel: list[int]) -> list[int]:
    """Rows and columns to add: (top, left, bottom, right)."""
    auto = call.attributes.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID", ""):
        return call.attributes.get("pads", [0, 0, 0, 0]) if auto != "VALID" else [0, 0, 0, 0]
    strides = call.attributes.get("strides", [1, 1])
    dilations = call.attributes.get("dilations", [1, 1])
    begins, ends = [], []
    for side, size, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        reach = (size - 1) * dilation + 1
        total = max(0, (-(-side // stride) - 1) * stride + reach - side)
        small, large = total // 2, total - total // 2
        begins.append(small if auto == "SAME_UPPER" else large)
        ends.append(large if auto == "SAME_UPPER" else small)
    return begins + ends


def _padded(x: Tensor, pads: list[int], value: float = 0.0) -> Tensor:
    top, left, bottom, right = pads
    bounded([*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right])
    return F.pad(x, (left, right, top, bottom), value=value)


def _convolution(call: Call) -> Tensor:
    x, weight = call.at(0), call.at(1)
    pads = _pads(call, x, list(weight.shape[2:]))
    even = pads[:2] == pads[2:] and max(pads) <= max(x.shape[2:])
    return F.conv2d(
        x if even else _padded(x, pads),
        weight,
        call.get(2),
        call.attributes.get("strides", [1, 1]),
        pads[:2] if even else 0,
        call.attributes.get("dilations", [1, 1]),
        call.attributes.get("group", 1),
    )


def _transposed_convolution(call: Call) -> Tensor:
    pads = call.attributes.get("pads", [0, 0, 0, 0])
    if call.attributes.get("auto_pad", "NOTSET") != "NOTSET" or pads[:2] != pads[2:]:
        raise ValueError("only equal pads on both sides are supported")
    return F.conv_transpose2d(
        call.at(0),
        call.at(1),
        call.get(2),
        call.attributes.get("strides", [1, 1]),
        pads[:2],
        call.attributes.get("output_padding", [0, 0]),
        call.attributes.get("group", 1),
        call.attributes.get("dilations", [1, 1]),
    )


def _maximum(call: Call) -> Tensor:
    x, kernel = call.at(0), call.attributes["kernel_shape"]
    return F.max_pool2d(
        _padded(x, _pads(call, x, kernel), float("-inf")),
        kernel,
        call.attributes.get("strides", [1, 1]),
        0,
        call.attributes.get("dilations", [1, 1]),
        bool(call.attributes.get("ceil_mode", 0)),
    )


def _average(call: Call) -> Tensor:
    x, kernel = call.at(0), call.attributes["kernel_shape"]
    pads, strides = _pads(call, x, kernel), call.attributes.get("strides", [1, 1])
    ceil = bool(call.attributes.get("ceil_mode", 0))
    if ceil and any(pads):
        raise ValueError("average pooling with both ceil_mode and pads is not supported")
    pooled = F.avg_pool2d(_padded(x, pads), kernel, strides, ceil_mode=ceil)
    if not any(pads) or call.attributes.get("count_include_pad", 0):
        return pooled
    counted = F.avg_pool2d(_padded(torch.ones_like(x[:1, :1]), pads), kernel, strides)
    return pooled / counted


def _batch_norm(call: Call) -> Tensor:
    return F.batch_norm(
        call.at(0),
        call.at(3),
        call.at(4),
        call.at(1),
        call.at(2),
        call.training,
        # ONNX weighs the old value, torch the new one.
        1 - call.attributes.get("momentum", 0.9),
        call.attributes.get("epsilon", 1e-5),
    )


def _instance_norm(call: Call) -> Tensor:
    epsilon = call.attributes.get("epsilon", 1e-5)
    return F.instance_norm(call.at(0), weight=call.at(1), bias=call.at(2), eps=epsilon)


def _layer_norm(call: Call) -> Tensor:
    x = call.at(0)
    shape = x.shape[call.attributes.get("axis", -1) % x.dim() :]
    weight, bias = (None if t is None else t.expand(shape) for t in (call.at(1), call.get(2)))
    return F.layer_norm(x, shape, weight, bias, call.attributes.get("epsilon", 1e-5))


def _lp_norm(call: Call) -> Tensor:
    order, axis = call.attributes.get("p", 2), call.attributes.get("axis", -1)
    return F.normalize(call.at(0), float(order), axis)


def _prelu(call: Call) -> Tensor:
    x, slope = call.at(0), call.at(1)
    if slope.dim() == 1 and slope.numel() == x.shape[1]:
        # Older exporters write one slope a channel without the axes that broadcasting needs.
        slope = slope.view(-1, *[1] * (x.dim() - 2))
    return torch.where(x < 0, slope * x, x)


def _gemm(call: Call) -> Tensor:
    first = call.at(0).T if call.attributes.get("transA", 0) else call.at(0)
    second = call.at(1).T if call.attributes.get("transB", 0) else call.at(1)
    product = first @ second * call.attributes.get("alpha", 1.0)
    bias = call.get(2)
    return product if bias is None else product + bias * call.attributes.get("beta", 1.0)


def _resize(call: Call) -> Tensor:
    x, scales, sizes = call.at(0), call.get(2), call.get(3)
    if call.opset < 10 or len(call.inputs) == 2:
        scales = call.get(1)
    if sizes is not None:
        size = [int(side) for side in sizes.flatten().tolist()][2:]
    elif scales is not None:
        size = [int(s * f) for s, f in zip(x.shape, scales.flatten().tolist(), strict=True)][2:]
    else:
        raise ValueError("neither sizes nor scales are given")
    mode = call.attributes.get("mode", "nearest")
    place = call.attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = call.attributes.get("nearest_mode", "round_prefer_floor")
    bounded([*x.shape[:2], *size])
    if mode == "nearest" and (call.opset < 11 or (place, rounding) == ("asymmetric", "floor")):
        return F.interpolate(x, size, mode="nearest")
    if mode == "linear" and place in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        return F.interpolate(x, size, mode="bilinear", align_corners=place == "align_corners")
    raise ValueError(f"resizing by {mode}, {place}, {rounding} is not supported")


def _global(function: Callable[..., Tensor]) -> Callable[[Call], Tensor]:
    return lambda call: function(call.at(0), tuple(range(2, call.at(0).dim())), True)


LAYERS: dict[str, Callable[[Call], Values]] = {
    "AveragePool": _average,
    "BatchNormalization": _batch_norm,
    "Conv": _convolution,
    "ConvTranspose": _transposed_convolution,
    "Gemm": _gemm,
    "GlobalAveragePool": _global(torch.mean),
    "GlobalMaxPool": _global(torch.amax),
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LpNormalization": _lp_norm,
    "MaxPool": _maximum,
    "PRelu": _prelu,
    "Resize": _resize,
    "Upsample": _resize,
}
"""Functions by operator name."""

ROLES: dict[str, tuple[str, ...]] = {
    "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
    "Conv": ("weight", "bias"),
    "ConvTranspose": ("weight", "bias"),
    "Gemm": ("weight", "bias"),
    "InstanceNormalization": ("weight", "bias"),
    "LayerNormalization": ("weight", "bias"),
    "PRelu": ("weight",),
}
"""What the inputs after the first are to an operator that learns."""
