"""Any ONNX recognition network as a trainable backbone: its graph as data, run by torch functions.

The generic way in for graphs that are none of our architectures. Nothing in a graph is executed
besides the operators of `onnx_operators.py` and `onnx_layers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.backbone import CROP, Backbone
from facegeom_lit.models.backbones.onnx_layers import LAYERS
from facegeom_lit.models.backbones.onnx_modules import build_module
from facegeom_lit.models.backbones.onnx_operators import OPERATORS, Call, bounded

FUNCTIONS = {**OPERATORS, **LAYERS}
RUNS = 5
CONSTANT_TYPES = {"float32": torch.float32, "int64": torch.int64, "bool": torch.bool}
Description = Mapping[str, Any]
"""One node: `name`, `op`, `inputs`, `outputs`, `attributes`."""


class OnnxGraph(Backbone):
    """A graph of ONNX operators whose float tensors are parameters.

    Convolutions, linear maps and batch norms are torch's own modules, so that whatever treats
    these (adapters, frozen statistics) finds them. All arguments are plain values, so they fit
    `ModelCard.arguments`. The defaults make the smallest graph there is: the mean of each channel.

    Args:
        nodes: In the order of execution, each with `name`, `op`, `inputs` and `outputs` (names of
            values; "" for an input left out) and `attributes`.
        tensors: Shape of each parameter by its name. "Conv_0.weight" is the weight of the module
            "Conv_0", which stands for the node that takes it.
        constants: Small tensors that do not train (sizes, axes, limits): `type` ("float32",
            "int64" or "bool"), `shape`, `values` (flat; infinities as "inf" and "-inf").
        source: Name of the value that takes the images.
        result: Name of the value that is the embedding, (B, D) or (B, D, 1, 1).
        opset: Version of the operator set.
        dimension: Length of the embedding.
        size: (H, W) of the input.
        per_image: Whether the graph takes a single image: a batch is then run one by one.

    Attributes:
        nodes: The nodes as given, for writing the graph back.
        constants: The constants as tensors, always on the CPU.

    Raises:
        FaceGeomError: When an operator is not supported, or the graph contradicts itself.

    Example:
        >>> OnnxGraph()(torch.ones(2, 3, 112, 112)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        nodes: Sequence[Description] = (
            {"name": "mean", "op": "GlobalAveragePool", "inputs": ["x"], "outputs": ["y"]},
        ),
        tensors: Mapping[str, Sequence[int]] | None = None,
        constants: Mapping[str, Description] | None = None,
        source: str = "x",
        result: str = "y",
        opset: int = 17,
        dimension: int = 3,
        size: Sequence[int] = (CROP, CROP),
        per_image: bool = False,
    ) -> None:
        super().__init__()
        for node in nodes:
            lacking = [key for key in ("name", "op", "inputs", "outputs") if key not in node]
            if lacking:
                raise FaceGeomError(f"An ONNX node lacks {lacking}: {dict(node)}.")
            if node["op"] not in FUNCTIONS:
                raise FaceGeomError(
                    f"ONNX node {node['name']!r} is a {node['op']}, which is not among the "
                    f"supported operators: {', '.join(sorted(FUNCTIONS))}."
                )
        height, width = size
        self.dimension = dimension
        self.input_size = (height, width)
        self.source, self.result = source, result
        self.opset, self.per_image = opset, per_image
        self.nodes = [dict(node) for node in nodes]
        self.constants = {name: _constant(entry) for name, entry in (constants or {}).items()}
        shapes = dict(tensors or {})
        last_use = {name: place for place, node in enumerate(nodes) for name in node["inputs"]}
        runs = []
        for begin, end in _equal_parts(nodes, shapes):
            used = dict.fromkeys(n for node in nodes[begin:end] for n in node["inputs"])
            # A tensor that two runs use belongs to the first of them.
            own = {name: shapes.pop(name) for name in used if name in shapes}
            done = [
                [n for n in dict.fromkeys(nodes[i]["inputs"]) if last_use[n] == i and n != result]
                for i in range(begin, end)
            ]
            runs.append(_Run(nodes[begin:end], done, own, opset))
        self.runs = nn.ModuleList(runs)
        if shapes:
            raise FaceGeomError(f"No ONNX node uses the tensors {sorted(shapes)[:4]}.")

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, *input_size); returns (B, dimension)."""
        if self.per_image and len(images) > 1:
            return torch.cat([self._embed(image[None]) for image in images])
        return self._embed(images)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Up to five runs of nodes with about equally many nodes that learn each."""
        return [(f"run{i}", run) for i, run in enumerate(self.runs, start=1)]

    def _embed(self, images: Tensor) -> Tensor:
        values: dict[str, Tensor] = {**self.constants, self.source: images}
        for run in self.runs:
            values = run(values)
        if self.result not in values:
            raise FaceGeomError(f"No ONNX node makes the result {self.result!r}.")
        return values[self.result].reshape(len(images), -1)


class _Run(nn.Module):
    """Consecutive nodes with the tensors that they are the first to use."""

    def __init__(
        self,
        nodes: Sequence[Description],
        done: list[list[str]],
        tensors: Mapping[str, Sequence[int]],
        opset: int,
    ) -> None:
        super().__init__()
        self.nodes, self.done, self.opset = list(nodes), done, opset
        self.names = [name for name in tensors if "." not in name]
        for name in self.names:
            # Fresh weights only have to be sane: a graph is there to be filled.
            self.register_parameter(name, nn.Parameter(0.05 * torch.randn(*tensors[name])))
        self.keys: list[str | None] = []
        for node in nodes:
            parts = [name for name in node["inputs"][1:] if "." in name and name in tensors]
            self.keys.append(parts[0].partition(".")[0] if parts else None)
            if parts:
                shapes = {name.partition(".")[2]: tensors[name] for name in parts}
                self.add_module(parts[0].partition(".")[0], build_module(node, shapes))

    def forward(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Run the nodes on named values; returns those that later nodes may need."""
        values = {**values, **{name: getattr(self, name) for name in self.names}}
        for node, key, done in zip(self.nodes, self.keys, self.done, strict=True):
            made = self._call(node, key, values)
            values.update(zip(node["outputs"], made, strict=False))
            for name in done:  # frees feature maps that no other node needs
                values.pop(name, None)
        return values

    def _call(
        self, node: Description, key: str | None, values: dict[str, Tensor]
    ) -> tuple[Tensor, ...]:
        names = node["inputs"] if key is None else node["inputs"][:1]
        missing = [name for name in names if name and name not in values]
        if missing:
            raise FaceGeomError(
                f"ONNX node {node['name']!r} ({node['op']}) takes {missing}, which nothing makes."
            )
        inputs = [values[name] if name else None for name in names]
        try:
            if key is not None:
                return (getattr(self, key)(inputs[0]),)
            attributes = dict(node.get("attributes") or {})
            call = Call(inputs, attributes, self.opset, self.training, len(node["outputs"]))
            made = FUNCTIONS[node["op"]](call)
            for tensor in made if isinstance(made, tuple) else (made,):
                bounded(tensor.shape[1:])  # before the next node makes twice as much of an image
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError) as error:
            shapes = [None if tensor is None else tuple(tensor.shape) for tensor in inputs]
            raise FaceGeomError(
                f"ONNX node {node['name']!r} ({node['op']}) cannot be run on inputs of shapes "
                f"{shapes}: {str(error).splitlines()[0] if str(error) else error!r}."
            ) from error
        return made if isinstance(made, tuple) else (made,)


def _equal_parts(nodes: Sequence[Description], tensors: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Cut the nodes into at most `RUNS` parts with about equally many nodes that learn."""
    learning = [i for i, node in enumerate(nodes) if any(n in tensors for n in node["inputs"])]
    parts = min(RUNS, max(1, len(learning)))
    cuts = [learning[len(learning) * part // parts] for part in range(1, parts)]
    edges = [0, *cuts, len(nodes)]
    return list(pairwise(edges))


def _constant(entry: Description) -> Tensor:
    values = [float(value) if isinstance(value, str) else value for value in entry["values"]]
    return torch.tensor(values, dtype=CONSTANT_TYPES[entry["type"]]).reshape(entry["shape"])
