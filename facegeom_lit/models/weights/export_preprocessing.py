"""Puts a face model's preprocessing into its ONNX graph, in the form that InsightFace recognises.

`insightface.model_zoo` (arcface_onnx.py) feeds RGB, (x − 127.5) / 127.5, at the size of the graph's
input; where a name among the first eight nodes begins with "Sub" and another with "Mul", it feeds
RGB as it is, 0–255. A network that wants anything else therefore gets its preprocessing inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch.nn import functional as F

from facegeom_lit.models.backbones.backbone import CROP
from facegeom_lit.models.card import ModelCard

DATA = None
"""Stands for the images among the inputs of a node; the others are constants."""


def is_bare(card: ModelCard) -> bool:
    """Whether what InsightFace feeds is what the network takes.

    Example:
        >>> is_bare(ModelCard("m", "vit", 128)), is_bare(ModelCard("m", "vit", 128, std=(128,) * 3))
        (True, False)
    """
    facts = (card.color_order, card.mean, card.std, card.size)
    return facts == ("RGB", (127.5,) * 3, (127.5,) * 3, (CROP, CROP))


def hide_from_insightface(graph: onnx.GraphProto) -> None:
    """Rename nodes of a network that InsightFace would take for preprocessing."""
    for node in graph.node:
        if node.name.startswith(("Sub", "_minus", "Mul", "_mul")):
            node.name = f"net/{node.name}"


def prepend_preprocessing(model: onnx.ModelProto, card: ModelCard) -> None:
    """Let a network's graph take RGB crops (N, 3, 112, 112) of values 0–255.

    The nodes are those of `facegeom_lit.models.face_model.preprocess`.

    Args:
        model: The graph, from normalised images to embeddings; changed in place.
        card: What the network takes.
    """
    (source,) = model.graph.input
    steps = _Chain(source.name)
    # The graph takes RGB, and the card's numbers are in the order of the network's channels.
    order = slice(None, None, -1) if card.color_order == "BGR" else slice(None)
    mean, std = (np.array(v[order], np.float32)[:, None, None] for v in (card.mean, card.std))
    steps.add("Sub", "Sub_mean", DATA, mean)
    steps.add("Mul", "Mul_std", DATA, 1 / std)
    if card.color_order == "BGR":
        steps.add("Gather", "Gather_bgr", DATA, np.array([2, 1, 0]), axis=1)
    if card.size != (CROP, CROP) and card.fit == "crop":
        start = np.array([(CROP - side) // 2 for side in card.size])
        steps.add("Slice", "Slice_crop", DATA, start, start + card.size, np.array([2, 3]))
    elif card.size != (CROP, CROP):
        rows, columns = (_resampling(side) for side in card.size)
        steps.add("MatMul", "MatMul_rows", rows, DATA)
        steps.add("MatMul", "MatMul_columns", DATA, np.ascontiguousarray(columns.T))
    for node in model.graph.node:
        node.input[:] = [steps.data if name == source.name else name for name in node.input]
    for position, node in enumerate(steps.nodes):
        model.graph.node.insert(position, node)
    model.graph.initializer.extend(steps.constants)
    for axis in source.type.tensor_type.shape.dim[2:]:
        axis.dim_value = CROP


class _Chain:
    """Nodes of which each takes what the one before gives, where it says `DATA`."""

    def __init__(self, data: str) -> None:
        self.data = data
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, name: str, *inputs: np.ndarray | None, **attributes: Any) -> None:
        names = [self.data if value is DATA else f"{name}_{i}" for i, value in enumerate(inputs)]
        self.constants += [
            numpy_helper.from_array(value, constant)
            for value, constant in zip(inputs, names, strict=True)
            if value is not DATA
        ]
        self.nodes.append(helper.make_node(operator, names, [name], name, **attributes))
        self.data = name


def _resampling(side: int) -> np.ndarray:
    """The (side, 112) matrix that resizes one axis as `preprocess` does, antialiasing included.

    Resizing is linear and separable, and ONNX has antialiasing only since opset 18.
    """
    columns = torch.eye(CROP)[None, None]
    resized = F.interpolate(
        columns, (side, CROP), mode="bilinear", antialias=True, align_corners=False
    )
    return resized[0, 0].numpy()
