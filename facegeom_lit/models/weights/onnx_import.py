"""Makes trainable face models of recognition networks in ONNX files."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.models.backbones.backbone import CROP
from facegeom_lit.models.backbones.registry import complete_arguments
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.face_model import FaceModel
from facegeom_lit.models.storage import weights_hash
from facegeom_lit.models.weights import cards
from facegeom_lit.models.weights.calibrate import FOLDED
from facegeom_lit.models.weights.fit import fill
from facegeom_lit.models.weights.onnx_generic import convert
from facegeom_lit.models.weights.onnx_iresnet import match_iresnet
from facegeom_lit.models.weights.onnx_mobilefacenet import match_mobilefacenet
from facegeom_lit.models.weights.onnx_preprocessing import Feed, absorb, insightface_feed
from facegeom_lit.models.weights.onnx_read import CARD_PROPERTY, Graph, read_graph
from facegeom_lit.models.weights.onnx_recognition import FEWEST_NUMBERS, recognition_graph
from facegeom_lit.models.weights.onnx_walk import Match, Mismatch, Walk

GENERIC = "onnx_graph"
MAX_SIDE = 1024
PUBLISHED = (cards.MOBILEFACENET_PRELU_CASIA, cards.MOBILEFACENET_RELU_MS1M)


def read_onnx(path: str | Path, card: ModelCard | None = None) -> FaceModel:
    """Read a recognition network from an ONNX file, as a model of which every parameter trains.

    IResNets and MobileFaceNets, as InsightFace publishes them (`w600k_r50.onnx`, `glintr100.onnx`,
    `w600k_mbf.onnx`), become our networks of the same kind, whoever exported them. Where a batch
    norm was folded into its convolution, `card.training["folded_batch_norm"]` is true: it stands
    in evaluation mode only, see `calibrate_batch_norm`. Any other graph becomes an `OnnxGraph`,
    with a warning; `card.training["onnx_fallback"]` then says why.

    Args:
        path: The file.
        card: How the network is fed and compared; its architecture must be what is found, or
            "onnx_graph". Without one: the card that the file carries when we wrote it, else what
            InsightFace does with such a file, under the file's name.

    Returns:
        The model on the CPU, in evaluation mode, its card with the hash of its weights.

    Raises:
        FaceGeomError: When the file is damaged, is a detector or another kind of network, holds an
            operator that is not supported, or contradicts the card.
    """
    path = Path(path).expanduser()
    whole = read_graph(path)
    graph = recognition_graph(whole)
    size = _size(graph, card)
    ((name, shape),) = graph.inputs.items()
    graph = replace(graph, inputs={name: (*shape[:2], *size)})
    if card is not None:
        feed = Feed(card.mean, card.std, card.color_order, size, card.fit)
    else:
        feed = insightface_feed(whole.names, size)
        if size[0] > CROP and size[0] % CROP and not size[0] % 128:
            warnings.warn(
                f"{path} takes {size[0]}×{size[1]} pixels. For such networks InsightFace aligns "
                f"faces to a wider frame than the {CROP}×{CROP} crops that are enlarged here: "
                "compare a few embeddings before you rely on them.",
                stacklevel=2,
            )
    graph, feed = absorb(graph, feed)
    match, training = _recognise(graph, feed.size, card)
    if match.arguments["dimension"] < FEWEST_NUMBERS:
        raise FaceGeomError(
            f"{path} gives {match.arguments['dimension']} numbers for a face: this is an attribute "
            "or quality network, not a recognition network."
        )
    facts = _facts(whole, match, feed) if card is None else _checked(card, match, path)
    facts = replace(
        facts,
        architecture=match.architecture,
        arguments=match.arguments,
        dimension=match.arguments["dimension"],
        training={**facts.training, **training},
    )
    backbone = build_backbone(match.architecture, **match.arguments)
    fill(backbone, match.state, source=path, names={}, network_name=match.architecture)
    model = FaceModel(backbone, facts)
    model.card = replace(facts, hash=weights_hash(model))
    return model.eval()


def _size(graph: Graph, card: ModelCard | None) -> tuple[int, int]:
    """(H, W) of the input, by the graph or else by the card."""
    ((name, shape),) = graph.inputs.items()
    height, width = shape[2:]
    if height is None or width is None:
        if card is None:
            raise FaceGeomError(
                f"{graph.path}: input {name!r} takes images of any size, as a detector does. When "
                "it is a recognition network, give its `card` with the `size` that it is fed."
            )
        return card.size
    if max(height, width) > MAX_SIDE:
        raise FaceGeomError(
            f"{graph.path}: input {name!r} takes images of {height}×{width} pixels; an aligned "
            f"face has at most {MAX_SIDE}. Is this a recognition network?"
        )
    return height, width


def _recognise(
    graph: Graph, size: tuple[int, int], card: ModelCard | None
) -> tuple[Match, dict[str, Any]]:
    """Find the architecture of a graph; returns it with notes for the card."""
    reasons: dict[int, str] = {}
    if card is None or card.architecture != GENERIC:
        for kind, matcher in (("IResNet", match_iresnet), ("MobileFaceNet", match_mobilefacenet)):
            walk = Walk(graph)
            try:
                match = _fitting(matcher(walk))
            except Mismatch as mismatch:
                reasons.setdefault(walk.used, f"no {kind}: {mismatch}")
            else:
                return match, {FOLDED: True} if walk.folded else {}
    converted = convert(graph, size)
    match = Match(GENERIC, converted.arguments, converted.state)
    if not reasons:
        return match, {}
    reason = reasons[max(reasons)]  # of the network that the graph resembles longest
    warnings.warn(
        f"{graph.path} is none of the known architectures ({reason}). It is run operator by "
        "operator, and trains all the same; freezing and learning rates go by equal parts of it.",
        stacklevel=4,
    )
    return match, {"onnx_fallback": reason}


def _fitting(match: Match) -> Match:
    """Check a match against the network that it names.

    Raises:
        Mismatch: When a tensor is of another shape, or that network cannot be built.
    """
    try:
        with torch.device("meta"):
            expected = build_backbone(match.architecture, **match.arguments).state_dict()
    except FaceGeomError as error:
        raise Mismatch(str(error)) from error
    for name, tensor in match.state.items():
        wanted = tuple(expected[name].shape) if name in expected else None
        if wanted != tuple(tensor.shape):
            raise Mismatch(f"{name} has the shape {tuple(tensor.shape)}, expected {wanted}")
    return match


def _facts(whole: Graph, match: Match, feed: Feed) -> ModelCard:
    """The card of a file: its own, or how a known layout is fed, or what InsightFace does."""
    name = whole.path.stem
    if CARD_PROPERTY in whole.metadata:
        return replace(_own_card(whole), **asdict(feed))
    found = (match.architecture, match.arguments)
    published = next((c for c in PUBLISHED if (c.architecture, c.arguments) == found), None)
    if published is not None and feed == insightface_feed([], feed.size):
        return cards.of_layout(published, name)
    facts = cards.arcface_torch(match.architecture, match.arguments)
    source = f"ONNX file {whole.path.name}; training not stated in the file"
    return replace(facts, name=name, source=source, **asdict(feed))


def _own_card(whole: Graph) -> ModelCard:
    """The card that our own export puts into a file."""
    where = f"{whole.path}, metadata {CARD_PROPERTY}"
    try:
        return ModelCard.from_json(json.loads(whole.metadata[CARD_PROPERTY]), where)
    except FaceGeomError:
        raise
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is a ValueError
        raise FaceGeomError(f"{where} is not JSON: {error}. Export the model again.") from error


def _checked(card: ModelCard, match: Match, path: Path) -> ModelCard:
    """The card that was given, when it says nothing else than the file."""
    if card.architecture not in (match.architecture, GENERIC):
        raise FaceGeomError(
            f"{path} holds {match.architecture}, the card {card.name!r} says {card.architecture}. "
            f"Correct the card, or let it say {GENERIC!r}."
        )
    dimension = match.arguments["dimension"]
    if card.dimension != dimension:
        raise FaceGeomError(
            f"{path} gives embeddings of length {dimension}, the card {card.name!r} says "
            f"{card.dimension}. Correct the card."
        )
    if card.arguments and card.architecture != GENERIC:
        said, found = (
            complete_arguments(match.architecture, a) for a in (card.arguments, match.arguments)
        )
        differing = {key: value for key, value in found.items() if said[key] != value}
        if differing:
            raise FaceGeomError(
                f"{path} holds {match.architecture} with {differing}, the card {card.name!r} says "
                f"{ {key: said[key] for key in differing} }. Correct the card."
            )
    return card
