"""A face model in a command: what its record says of it, and what it makes of faces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from facegeom_lit.evaluation.embedding import fused_embeddings
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.models import FaceModel
from facegeom_lit.models.embed import model_hash


def model_record(source: Any, model: FaceModel) -> dict[str, str]:
    """Return what identifies a model, for the record.

    Args:
        source: Where it was read from.
        model: The model.
    """
    card = model.card
    return {
        "path": str(source),
        "hash": model_hash(model),
        "card": card.name,
        "distance": card.distance,
    }


def embeddings_of(cfg: DictConfig, model: FaceModel, faces: FaceSet, *, flip: bool) -> Tensor:
    """Return the embeddings of faces, raw (N, D), from the cache of `cfg.paths.cache` where known.

    Args:
        cfg: With `paths.cache`, `batch_size` and `workers`.
        model: The model, where it shall compute.
        faces: The faces.
        flip: Average the embeddings of an image and its mirror image.

    Raises:
        FaceGeomError: When an image cannot be read, or an embedding is not finite.
    """
    return fused_embeddings(
        model,
        faces,
        Path(cfg.paths.cache) / "embeddings",
        flip=flip,
        batch_size=cfg.batch_size,
        workers=cfg.workers,
    )
