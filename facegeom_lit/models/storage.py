"""Face models on disk: `model.safetensors` with `card.json` beside it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_path, read_json, write_json
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.models.backbones.registry import complete_arguments
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.face_model import FaceModel
from facegeom_lit.models.weights.cards import of_layout
from facegeom_lit.models.weights.fit import compare, fill
from facegeom_lit.models.weights.read import read_checkpoint, read_state
from facegeom_lit.models.weights.recognise import arrange, recognise

WEIGHTS = "model.safetensors"
CARD = "card.json"
HUB = "hf:"
"""Before a Hugging Face hub id, which is no path: `hf:facebook/dinov2-small`."""


def weights_hash(module: nn.Module) -> str:
    """SHA-256 over names, shapes and float32 values of a network's tensors, as 64 hex digits.

    For a `FaceModel` those of its backbone. The batch counters of batch norms, which do not
    change what a network computes, stay out.

    Example:
        >>> len(weights_hash(nn.Linear(2, 2)))
        64
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(_tensors(module).items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def save_face_model(model: FaceModel, folder: str | Path) -> ModelCard:
    """Write a face model, whole or not at all.

    Args:
        model: The model; its card is written with the hash of its present weights.
        folder: Where `model.safetensors` and `card.json` shall stand.

    Returns:
        The card as written.

    Raises:
        FaceGeomError: When the files cannot be written.
    """
    card = replace(model.card, hash=weights_hash(model))
    write_folder(Path(folder), _tensors(model), card.to_json())
    return card


def write_folder(folder: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write `model.safetensors` and `card.json`, whole or not at all.

    Raises:
        FaceGeomError: When the files cannot be written.
    """
    # Nested, so that both files are safely on the disk before either takes its place.
    with atomic_path(folder / WEIGHTS) as temporary:
        with temporary.open("wb") as file:
            file.write(save(dict(tensors)))
            file.flush()
            os.fsync(file.fileno())
        write_json(folder / CARD, card)


def load_face_model(
    path: str | Path,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    card: ModelCard | None = None,
) -> FaceModel:
    """Read a face model.

    Args:
        path: A folder that `save_face_model` wrote; that of a run, which holds one as `model`; a
            file of weights (.pth, .pt, .ckpt, .bin or .safetensors); a recognition network as
            .onnx; a Hugging Face folder, or a hub id as `hf:NAME`. A file needs no card when its
            layout is a known one, of those in `facegeom_lit.models.weights.layouts`.
        architecture: What the weights must be; checked against the card.
        arguments: Arguments that the architecture must have; checked against the card. Without an
            architecture: how a Hugging Face model is read (pooling, dimension, size).
        card: Card of a file that has none or has another layout.

    Returns:
        The model on the CPU, in evaluation mode, its card carrying the hash of its weights.

    Raises:
        FaceGeomError: When something is missing, damaged, or contradicts something else.
    """
    path = Path(path).expanduser()
    if path.name == WEIGHTS and (path.parent / CARD).is_file():
        path = path.parent
    if (path / "model" / CARD).is_file() and not (path / CARD).is_file():
        path = path / "model"
    model = _load(path, card, {} if architecture else arguments or {})
    _check_wanted(model.card, architecture, arguments, path)
    return model.eval()


def build_face_model(
    name: str,
    architecture: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    weights: str | Path | None = None,
    card: Mapping[str, Any] | None = None,
) -> FaceModel:
    """Make the face model that a `conf/backbone/*.yaml` file describes.

    Args:
        name: Name on the card of fresh weights.
        architecture: Key of `ARCHITECTURES`; None takes what the weights say.
        arguments: Arguments of the architecture.
        weights: Folder or file for `load_face_model`; None for fresh weights.
        card: Remaining card fields of fresh weights.

    Returns:
        The model: in evaluation mode when loaded, in training mode when fresh.

    Raises:
        FaceGeomError: When the model cannot be built or loaded.

    Example:
        >>> build_face_model("tiny", "mobilefacenet", {"width": 0.25}).card.dimension
        128
    """
    if weights is not None:
        return load_face_model(weights, architecture=architecture, arguments=arguments)
    if architecture is None:
        raise FaceGeomError(
            f"Backbone {name!r} has no weights and no architecture. Give the weights: model=FILE."
        )
    backbone = build_backbone(architecture, **(arguments or {}))
    values: dict[str, Any] = {
        "name": name,
        "architecture": architecture,
        "arguments": dict(arguments or {}),
        "dimension": backbone.dimension,
        **(card or {}),
    }
    return FaceModel(backbone, ModelCard.from_json(values, f"Backbone {name!r}"))


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    network = module.backbone if isinstance(module, FaceModel) else module
    return {
        name: tensor.detach().cpu().float().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def _load(path: Path, card: ModelCard | None, reading: Mapping[str, Any]) -> FaceModel:
    # Imported when wanted: both bring large libraries along.
    if path.suffix == ".onnx":
        from facegeom_lit.models.weights.onnx_import import read_onnx

        return read_onnx(path, card)
    if str(path).startswith(HUB) or (path.is_dir() and not (path / CARD).is_file()):
        from facegeom_lit.models.weights.hugging_face import is_hugging_face, read_hugging_face

        if is_hugging_face(path):
            return read_hugging_face(path, **reading)
    return _load_folder(path, card) if path.is_dir() else _load_file(path, card)


def _load_folder(folder: Path, card: ModelCard | None) -> FaceModel:
    for name in (WEIGHTS, CARD):
        if not (folder / name).is_file():
            raise FaceGeomError(
                f"{folder} holds no face model: {name} is missing. A model folder holds {WEIGHTS} "
                f"and {CARD}, as `save_face_model` writes them."
            )
    if card is not None:
        raise FaceGeomError(f"{folder} has its own {CARD}: load it without `card`.")
    card = ModelCard.from_json(read_json(folder / CARD), str(folder / CARD))
    state = read_state(folder / WEIGHTS)
    try:
        with torch.device("meta"):  # a card may state any size: compared before memory is spent
            sketch = build_backbone(card.architecture, **card.arguments)
    except FaceGeomError as error:
        raise FaceGeomError(f"{folder / CARD}: {error}") from error
    compare(sketch, state, source=folder / WEIGHTS, network_name=_describe(card), names={})
    model = _assemble(state, card, folder / WEIGHTS, folder / CARD)
    found = weights_hash(model)
    if card.hash != found:
        raise FaceGeomError(
            f"{folder / CARD} contradicts {folder / WEIGHTS}: its hash is {card.hash[:12]}…, that "
            f"of the weights {found[:12]}…. One of the two files is from another model: copy the "
            "folder again as a whole."
        )
    return model


def _load_file(path: Path, card: ModelCard | None) -> FaceModel:
    checkpoint = read_checkpoint(path)
    known = recognise(checkpoint.state)
    if card is not None and not (known and _same_network(known.card, card)):
        with torch.device("meta"):
            expected = list(build_backbone(card.architecture, **card.arguments).state_dict())
        known = arrange(checkpoint.state, card, expected)
    if known is None:
        raise FaceGeomError(
            f"{path} has no {CARD} beside it and its layout is not a known one (first tensors: "
            f"{', '.join(list(checkpoint.state)[:4])}). Give its `card`, with its architecture."
        )
    card = card or known.card
    notes: dict[str, Any] = {"layout": known.title} if known.title else {}
    if left := [*checkpoint.aside, *known.aside]:
        notes["left_aside"] = left
    card = replace(card, training={**card.training, **notes})
    with torch.device("meta"):  # names and shapes are compared before any memory is spent
        sketch = build_backbone(card.architecture, **card.arguments)
    names = {name: known.original(name) for name in (*sketch.state_dict(), *known.state)}
    compare(
        sketch,
        known.state,
        source=path,
        network_name=_describe(card),
        names=names,
        looks_like=known.title,
    )
    model = _assemble(known.state, card, path, path, names)
    found = weights_hash(model)
    if card.hash and card.hash != found:  # published ones are recognised, these are others
        card = of_layout(card, path.stem)
    model.card = replace(card, hash=found)
    return model


def _same_network(one: ModelCard, other: ModelCard) -> bool:
    return one.architecture == other.architecture and complete_arguments(
        one.architecture, one.arguments
    ) == complete_arguments(other.architecture, other.arguments)


def _assemble(
    state: Mapping[str, Tensor],
    card: ModelCard,
    weights: Path,
    card_file: Path,
    names: Mapping[str, str] | None = None,
) -> FaceModel:
    try:
        backbone = build_backbone(card.architecture, **card.arguments)
        model = FaceModel(backbone, card)
    except FaceGeomError as error:
        raise FaceGeomError(f"{card_file}: {error}") from error
    fill(backbone, state, source=weights, names=names or {}, network_name=_describe(card))
    return model


def _check_wanted(
    card: ModelCard, architecture: str | None, arguments: Mapping[str, Any] | None, path: Path
) -> None:
    if architecture is None:
        return
    wanted = complete_arguments(architecture, dict(arguments or {}))
    if architecture != card.architecture:
        raise FaceGeomError(
            f"{path} holds {_describe(card)}, not the architecture {architecture!r} that was asked "
            f"for. Give other weights, or choose backbone=from_file to take what the file holds."
        )
    found = complete_arguments(card.architecture, card.arguments)
    differing = {key: value for key, value in found.items() if wanted[key] != value}
    if differing:
        raise FaceGeomError(
            f"{path} holds {architecture} with {differing}, asked for was "
            f"{ {key: wanted[key] for key in differing} }. Change the arguments, or give other "
            "weights."
        )


def _describe(card: ModelCard) -> str:
    # A generic graph's arguments are the whole graph.
    return f"{card.architecture} {card.arguments}"[:200] if card.arguments else card.architecture
