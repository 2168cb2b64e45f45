"""Writes face models as ONNX files that InsightFace loads as recognition models."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_path
from facegeom_lit.models.backbones.onnx_graph import OnnxGraph
from facegeom_lit.models.face_model import FaceModel
from facegeom_lit.models.storage import weights_hash
from facegeom_lit.models.weights.export_parity import ParityReport, check_parity
from facegeom_lit.models.weights.export_preprocessing import (
    hide_from_insightface,
    is_bare,
    prepend_preprocessing,
)
from facegeom_lit.models.weights.onnx_read import CARD_PROPERTY
from facegeom_lit.models.weights.onnx_session import reason
from facegeom_lit.models.weights.onnx_write import write_onnx_graph

OPSET = 14
"""Read by onnxruntime since 1.8; the first with attention in torch's exporter."""
INPUT, OUTPUT, BATCH_AXIS = "input.1", "embedding", "batch"
MAX_BYTES = 2_000_000_000
"""An ONNX file is one protocol buffer, which holds at most 2 GiB."""
_COMPARISON = {
    "cosine": "cosine of embeddings",
    "euclidean": "Euclidean distance of raw embeddings; cosines of this model mean little",
}


def export_onnx(model: FaceModel, path: str | Path, *, faces: Tensor | None = None) -> ParityReport:
    """Write a face model as ONNX for `insightface.model_zoo.get_model`, and check it.

    Input (N, 3, 112, 112) for any N, output the raw embeddings (N, D), weights float32. Where the
    card asks for what InsightFace feeds anyway the graph is the bare network; else it begins with
    the preprocessing. The card stands in the file's metadata.

    Args:
        model: The model; left as it is.
        path: The file, .onnx; one that exists is replaced once the new one is checked.
        faces: Aligned RGB crops (N, 3, 112, 112), uint8, to compare on besides random images.

    Returns:
        How well the file agrees with the model.

    Raises:
        FaceGeomError: When the model cannot be exported or holds NaN, the file does not give its
            embeddings, or cannot be written. Then no file is written.
    """
    path = Path(path).expanduser()
    if path.suffix != ".onnx":
        raise FaceGeomError(
            f"An ONNX file must end in .onnx, for InsightFace goes by that; got {path}."
        )
    check_finite(model)
    still = deepcopy(model).cpu().float().eval()
    proto = to_onnx(still)
    with atomic_path(path) as temporary:
        onnx.save(proto, temporary)
        return check_parity(temporary, still, faces)


def to_onnx(model: FaceModel) -> onnx.ModelProto:
    """Convert a face model, on the CPU and in evaluation mode, as `export_onnx` describes.

    Raises:
        FaceGeomError: When it is too large, or uses an operator that ONNX does not have.
    """
    _check_size(model)
    if isinstance(model.backbone, OnnxGraph):
        proto = write_onnx_graph(model.backbone)
        _flatten(proto.graph)
    else:
        proto = _trace(model)
        _inline_constants(proto.graph)
    proto.graph.name = model.card.name
    hide_from_insightface(proto.graph)
    if not is_bare(model.card):
        prepend_preprocessing(proto, model.card)
    card = replace(model.card, hash=weights_hash(model))
    facts = {key: getattr(card, key) for key in ("name", "licence", "source", "hash")}
    facts |= {"comparison": _COMPARISON[card.distance], CARD_PROPERTY: json.dumps(card.to_json())}
    onnx.helper.set_model_props(proto, facts)
    return proto


def check_finite(model: FaceModel) -> None:
    """Refuse a model with a NaN or an infinity among its weights.

    Raises:
        FaceGeomError: Which names the first such tensor.
    """
    for name, tensor in model.backbone.state_dict().items():
        if not bool(tensor.isfinite().all()):
            raise FaceGeomError(
                f"Model {model.card.name!r} holds values that are not finite in {name}. Use an "
                "earlier checkpoint: this one comes from a training that diverged."
            )


def _check_size(model: FaceModel) -> None:
    size = sum(4 * tensor.numel() for tensor in model.backbone.state_dict().values())
    if size > MAX_BYTES:
        raise FaceGeomError(
            f"Model {model.card.name!r} has {size / 1e9:.1f} GB of weights; an ONNX file holds at "
            f"most {MAX_BYTES / 1e9:.1f} GB. Use format=safetensors."
        )


def _trace(model: FaceModel) -> onnx.ModelProto:
    card = model.card
    example = torch.zeros(2, 3, *card.size)
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused kernels are not in ONNX
    try:
        with TemporaryDirectory() as folder, warnings.catch_warnings(), _silent():
            warnings.simplefilter("ignore")
            # The tracing exporter is deprecated, but the other one needs onnxscript, and gives
            # graphs of opset 18 that the runtimes of many labs cannot read.
            torch.onnx.export(
                model.backbone,
                (example,),
                Path(folder) / "traced.onnx",
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: BATCH_AXIS}, OUTPUT: {0: BATCH_AXIS}},
            )
            return onnx.load(Path(folder) / "traced.onnx")
    except (RuntimeError, ValueError, TypeError) as error:  # tracing runs the network's own code
        raise FaceGeomError(
            f"Model {card.name!r} ({card.architecture}) cannot be written as ONNX: "
            f"{reason(error)}. Use format=safetensors."
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep off the terminal the whole graph that the exporter prints, from C++, when it fails."""
    sys.stdout.flush()
    stdout = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(nowhere)


def _flatten(graph: onnx.GraphProto) -> None:
    """Let (N, D, 1, 1), which graphs from elsewhere may give, come out as (N, D)."""
    (result,) = graph.output
    if any(n.op_type == "Flatten" and result.name in n.output for n in graph.node):
        return
    graph.node.append(onnx.helper.make_node("Flatten", [result.name], [OUTPUT], "Flatten_last"))
    result.name = OUTPUT


def _inline_constants(graph: onnx.GraphProto) -> None:
    """Remove the Identity nodes by which the exporter shares weights that are equal."""
    weights = {tensor.name for tensor in graph.initializer}
    shared = [n for n in graph.node if n.op_type == "Identity" and n.input[0] in weights]
    stands_for = {node.output[0]: node.input[0] for node in shared}
    for node in shared:
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [stands_for.get(name, name) for name in node.input]
