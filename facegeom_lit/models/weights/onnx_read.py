"""Reads ONNX files into plain data: nodes, tensors, input and outputs. Nothing in them is run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import AttributeProto, TensorProto, numpy_helper
from torch import Tensor

from facegeom_lit.errors import FaceGeomError

MAX_BYTES = 2**31 - 1
"""An ONNX file is one protocol buffer, which holds at most 2 GiB."""
MAX_WEIGHTS = 2**33
"""Bytes of one tensor, and of all files with external data together."""
CARD_PROPERTY = "facegeom.card"
"""Metadata key under which our own export writes the model card, as JSON."""
OLDEST_OPSET = 7
STANDARD_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Node:
    """One operator of a graph.

    Attributes:
        name: Its name, for messages; made up where the file gives none.
        op: Operator.
        inputs: Names of the values it takes; "" for one that is left out.
        outputs: Names of the values it makes.
        attributes: Numbers, strings and lists of them by name.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name!r} ({self.op})"


@dataclass(frozen=True)
class Graph:
    """An ONNX network as plain data.

    Attributes:
        path: The file.
        nodes: In the order of execution.
        tensors: Weights and constants by name: float32, int64 or bool.
        inputs: Shape by name of what must be fed; None for a side that is open.
        outputs: Shape by name of what comes out; an empty shape where none is stated.
        opset: Version of the operator set.
        names: Names of all nodes as the file writes them, constants included.
        metadata: Text by key that the file carries along.
    """

    path: Path
    nodes: list[Node]
    tensors: dict[str, Tensor]
    inputs: dict[str, tuple[int | None, ...]]
    outputs: dict[str, tuple[int | None, ...]]
    opset: int
    names: list[str]
    metadata: dict[str, str]


def read_graph(path: str | Path) -> Graph:
    """Read an ONNX file.

    Args:
        path: The file. Weights that it keeps in other files must stand in its own folder.

    Returns:
        Its graph; constants are among the tensors, and every value that a node takes is made by
        an earlier one.

    Raises:
        FaceGeomError: When the file is missing, damaged, of another kind, incomplete, contradicts
            itself, or holds values that are not numbers.
    """
    path = Path(path)
    model = _parse(path)
    graph = model.graph
    if len(model.functions) or len(graph.sparse_initializer):
        raise FaceGeomError(
            f"{path} holds functions or sparse tensors, which are not supported. Export the model "
            "with plain operators and dense weights."
        )
    tensors = {entry.name: _tensor(entry, path) for entry in graph.initializer}
    opset = _opset(model, path)
    context = onnx.checker.C.CheckerContext()
    context.ir_version, context.opset_imports = model.ir_version, {"": opset}
    nodes = []
    for place, entry in enumerate(graph.node):
        node = _node(entry, place, path, context)
        if node.op == "Constant":
            tensors[node.outputs[0]] = _constant(entry, node, path)
        else:
            nodes.append(node)
    inputs = {e.name: _shape(e) for e in graph.input if e.name not in tensors}
    outputs = {entry.name: _shape(entry) for entry in graph.output}
    _check_flow(nodes, {*tensors, *inputs}, outputs, path)
    return Graph(
        path,
        nodes,
        tensors,
        inputs,
        outputs,
        opset,
        [entry.name for entry in graph.node],
        {entry.key: entry.value for entry in model.metadata_props},
    )


def _parse(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise FaceGeomError(f"ONNX file {path} does not exist. Check the path.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FaceGeomError(f"{path} has {size} bytes; an ONNX file has at most {MAX_BYTES}.")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise FaceGeomError(
            f"{path} is damaged or is no ONNX file ({error}). Copy or download it again."
        ) from error
    if not model.graph.node:
        raise FaceGeomError(
            f"{path} is no ONNX file: it holds no graph. Copy or download it again; a file of a "
            "few hundred bytes is often a Git LFS pointer."
        )
    if any(isinstance(text, bytes) for text in _texts(model)):
        raise FaceGeomError(
            f"{path} is damaged: names in it are no UTF-8 text. Copy or download it again."
        )
    return model


def _texts(model: onnx.ModelProto) -> Iterator[str | bytes]:
    """Names that the reader uses; protobuf gives those that are no UTF-8 as bytes."""
    graph = model.graph
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    yield from (entry.name for entry in (*graph.initializer, *graph.input, *graph.output))
    for pair in model.metadata_props:
        yield from (pair.key, pair.value)


def _opset(model: onnx.ModelProto, path: Path) -> int:
    versions = [e.version for e in model.opset_import if e.domain in STANDARD_DOMAINS]
    newest = onnx.defs.onnx_opset_version()
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        raise FaceGeomError(
            f"{path} is written in version {versions} of the ONNX operators; supported are "
            f"{OLDEST_OPSET} to {newest}. Convert it with `onnx.version_converter`."
        )
    return versions[0]


def _tensor(entry: TensorProto, path: Path) -> Tensor:
    """Read a tensor; its stated size must be that of its data before anything is allocated."""
    what = f"{path}: tensor {entry.name!r}"
    dims = list(entry.dims)
    try:
        kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(entry.data_type))
    except (KeyError, TypeError, ValueError) as error:
        raise FaceGeomError(f"{what} is of the unknown type {entry.data_type}.") from error
    if any(side < 0 for side in dims) or math.prod(dims) * kind.itemsize > MAX_WEIGHTS:
        raise FaceGeomError(f"{what} states the impossible shape {dims}.")
    if entry.data_location == TensorProto.EXTERNAL:
        array = _external(entry, dims, kind, path)
    else:
        try:
            array = numpy_helper.to_array(entry)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FaceGeomError(
                f"{what} is damaged: its data do not fill the shape {dims} ({error})."
            ) from error
    if array.dtype == np.bool_:
        return torch.from_numpy(array.copy())
    if np.issubdtype(array.dtype, np.integer):
        return torch.from_numpy(array.astype(np.int64))
    try:
        tensor = torch.from_numpy(array.astype(np.float32))
    except (ValueError, TypeError) as error:
        raise FaceGeomError(f"{what} holds no numbers: {error}.") from error
    if bool(tensor.isnan().any()):
        raise FaceGeomError(
            f"{what} holds values that are not numbers (NaN): it comes from a training that "
            "diverged, or the file is damaged."
        )
    return tensor


def _external(entry: TensorProto, dims: list[int], kind: np.dtype[Any], path: Path) -> np.ndarray:
    """Read weights that stand in another file, from the ONNX file's own folder only."""
    facts = {fact.key: fact.value for fact in entry.external_data}
    folder = path.resolve().parent
    file = (folder / facts.get("location", "")).resolve()
    what = f"{path}: tensor {entry.name!r}"
    if folder not in file.parents:
        raise FaceGeomError(
            f"{what} points to {facts.get('location')!r}, outside the folder of the ONNX file. "
            "That is refused: put the weights beside it."
        )
    if not file.is_file():
        raise FaceGeomError(f"{what} is in {file.name}, which is not beside the ONNX file.")
    size = math.prod(dims) * kind.itemsize
    try:
        offset, length = int(facts.get("offset", 0)), int(facts.get("length", size))
    except ValueError as error:
        raise FaceGeomError(f"{what} has no usable place in {file.name}: {error}.") from error
    if length != size or offset < 0 or offset + size > file.stat().st_size:
        raise FaceGeomError(
            f"{what} shall have {size} bytes from {offset} on, which {file.name} "
            f"({file.stat().st_size} bytes) does not hold. Copy both files again."
        )
    return np.fromfile(file, kind, math.prod(dims), offset=offset).reshape(dims)


def _node(entry: onnx.NodeProto, place: int, path: Path, context: Any) -> Node:
    name = entry.name or f"{entry.op_type}_{place}"
    if entry.domain not in STANDARD_DOMAINS:
        raise FaceGeomError(
            f"{path}: node {name!r} is a {entry.op_type} of {entry.domain!r}, which is not among "
            "ONNX's own operators. Export the model without fused or custom operators."
        )
    attributes = {}
    for attribute in entry.attribute:
        if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
            raise FaceGeomError(
                f"{path}: node {name!r} is a {entry.op_type} with a graph inside: branches and "
                "loops are not supported. Trace the model for one path through it."
            )
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, TensorProto):
            if entry.op_type == "Constant":
                continue
            value = _tensor(value, path).flatten().tolist()
            value = value[0] if len(value) == 1 else value
        attributes[attribute.name] = _plain(value, f"{path}: node {name!r}: {attribute.name}")
    try:
        onnx.checker.check_node(entry, context)
    except (onnx.checker.ValidationError, UnicodeDecodeError) as error:
        raise FaceGeomError(
            f"{path}: node {name!r} is no valid {entry.op_type} ({str(error).splitlines()[0]}). "
            "Export the model again."
        ) from error
    return Node(name, entry.op_type, tuple(entry.input), tuple(entry.output), attributes)


def _plain(value: Any, what: str) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        raise FaceGeomError(f"{what} is {value}; a finite number was expected.")
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Iterable):
        return [_plain(item, what) for item in value]
    raise FaceGeomError(f"{what} is of a kind that is not supported: {type(value).__name__}.")


def _constant(entry: onnx.NodeProto, node: Node, path: Path) -> Tensor:
    for attribute in entry.attribute:
        if attribute.type == AttributeProto.TENSOR:
            return _tensor(attribute.t, path)
    for key, kind in (("value_float", torch.float32), ("value_int", torch.int64)):
        for name in (key, f"{key}s"):
            if name in node.attributes:
                return torch.tensor(node.attributes[name], dtype=kind)
    raise FaceGeomError(f"{path}: constant {node} holds no number and no tensor.")


def _shape(entry: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    dims = entry.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.dim_value > 0 else None for dim in dims)


def _check_flow(nodes: list[Node], known: set[str], outputs: Iterable[str], path: Path) -> None:
    """Check that every value is made once, before it is used."""
    known = set(known)
    for node in nodes:
        for name in node.inputs:
            if name and name not in known:
                raise FaceGeomError(
                    f"{path}: node {node} takes {name!r}, which is neither a weight nor made by "
                    "an earlier node: the file is incomplete. Export or copy it again."
                )
        twice = [name for name in node.outputs if name and name in known]
        if twice or not any(node.outputs):
            raise FaceGeomError(f"{path}: node {node} makes {twice or 'nothing'}, once too often.")
        known.update(name for name in node.outputs if name)
    lost = [name for name in outputs if name not in known]
    if lost:
        raise FaceGeomError(f"{path}: no node makes the outputs {lost}. Export it again.")
