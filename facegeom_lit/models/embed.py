"""Embeddings of whole face sets, and their cache on disk for models that do not change."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.keys import IMAGE
from facegeom_lit.files import atomic_path
from facegeom_lit.models.backbones.registry import complete_arguments
from facegeom_lit.models.face_model import FaceModel
from facegeom_lit.models.storage import weights_hash

INPUT_FACTS = ("color_order", "mean", "std", "size", "fit", "distance")
"""Fields of a card that decide what the network is fed and how its embeddings are compared."""


def model_hash(model: FaceModel) -> str:
    """Return a hash of the weights and of how they are used, unlike `weights_hash`.

    The same weights make another network with, say, another pooling or number of attention heads.
    """
    card = model.card
    network = complete_arguments(card.architecture, card.arguments)
    facts = [card.architecture, network, *(getattr(card, name) for name in INPUT_FACTS)]
    text = json.dumps(facts, sort_keys=True)
    return sha256(f"{weights_hash(model)} {text}".encode()).hexdigest()


@torch.inference_mode()
def embed(
    model: FaceModel,
    faces: FaceSet,
    *,
    mirrored: bool = False,
    batch_size: int = 128,
    workers: int = 0,
) -> Tensor:
    """Return raw embeddings of every face in order, (N, D) float32 on the CPU.

    The model is used where it stands (its device) and is left in the mode it was in. With
    `mirrored` it sees every image as in a mirror.

    Raises:
        FaceGeomError: When an embedding is not finite.
    """
    device = next(model.parameters()).device
    loader = DataLoader(FaceDataset(faces), batch_size=batch_size, num_workers=workers)
    training = model.training
    model.eval()
    parts = []
    with tqdm(total=len(faces), unit="face", desc=f"embed {model.card.name}", leave=False) as bar:
        for batch in loader:
            images = batch[IMAGE].to(device)
            parts.append(model(images.flip(-1) if mirrored else images).float().cpu())
            bar.update(len(parts[-1]))
    model.train(training)
    embeddings = torch.cat(parts)
    broken = ~embeddings.isfinite().all(1)
    if bool(broken.any()):
        raise FaceGeomError(
            f"Model {model.card.name!r} gives NaN or infinite embeddings for {int(broken.sum())} "
            f"of {len(faces)} faces; its weights are damaged, or its card's mean and std wrong."
        )
    return embeddings


def embed_cached(
    model: FaceModel,
    faces: FaceSet,
    folder: str | Path,
    *,
    mirrored: bool = False,
    batch_size: int = 128,
    workers: int = 0,
) -> Tensor:
    """Return `embed(model, faces)`, from `folder` when it was computed before.

    The key is (`model_hash`, face-set hash): a changed model, card or face set is never confused
    with the one before.
    """
    key = f"{model_hash(model)[:16]}-{faces.hash[:16]}" + ("-mirrored" if mirrored else "")
    path = Path(folder) / f"{key}.safetensors"
    try:
        return load_file(path)["embeddings"]
    except (FileNotFoundError, SafetensorError, KeyError):
        embeddings = embed(model, faces, mirrored=mirrored, batch_size=batch_size, workers=workers)
        with atomic_path(path) as temporary:
            save_file({"embeddings": embeddings}, temporary)
        return embeddings
