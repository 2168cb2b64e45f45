"""Compares a face model with an ONNX file, as onnxruntime runs it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.face_model import FaceModel, preprocess
from facegeom_lit.models.weights.onnx_preprocessing import absorb, insightface_feed
from facegeom_lit.models.weights.onnx_read import Graph, read_graph
from facegeom_lit.models.weights.onnx_recognition import embedding_name, recognition_graph
from facegeom_lit.models.weights.onnx_session import open_session


@torch.inference_mode()
def onnx_parity(path: str | Path, model: FaceModel, images: Tensor) -> float:
    """Return the smallest cosine between embeddings by a file and by a model.

    The file gets one image at a time: what InsightFace feeds when it holds preprocessing of its
    own, else what the card says.

    Args:
        path: An ONNX file with a recognition network.
        model: The model that it became, or was written from; in evaluation mode.
        images: Aligned RGB crops (B, 3, 112, 112), uint8 or float in 0–255.

    Returns:
        Cosine in [-1, 1]; rounding alone leaves at least 0.9999.

    Raises:
        FaceGeomError: When the file cannot be run, or gives embeddings of another length.
    """
    graph = read_graph(path)
    fed = preprocess(images.cpu(), _file_card(recognition_graph(graph), model.card))
    session, result = open_session(path), embedding_name(graph)
    source = session.get_inputs()[0]
    fed = fed.half() if "float16" in source.type else fed
    found = [session.run([result], {source.name: image[None].numpy()})[0] for image in fed]
    embeddings = torch.stack([torch.from_numpy(row).float().flatten() for row in found])
    expected = model(images.to(next(model.parameters()).device)).cpu()
    if embeddings.shape != expected.shape:
        raise FaceGeomError(
            f"{path} gives embeddings of length {embeddings.shape[1]}, the model "
            f"{model.card.name!r} {expected.shape[1]}: they are not the same network."
        )
    return float(F.cosine_similarity(embeddings.double(), expected.double()).min())


def _file_card(graph: Graph, card: ModelCard) -> ModelCard:
    """The card by which the file itself is fed."""
    height, width = next(iter(graph.inputs.values()))[2:]
    feed = insightface_feed(graph.names, (height or card.size[0], width or card.size[1]))
    inner, _ = absorb(graph, feed)
    return card if inner is graph else replace(card, **asdict(feed))
