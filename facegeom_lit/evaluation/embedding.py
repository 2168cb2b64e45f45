"""Embeddings of what frozen models are evaluated on, kept in a cache."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.models import FaceModel
from facegeom_lit.models.embed import embed_cached

PART = 2**14
"""Faces whose embeddings are kept at a time: so much is lost where a long run is killed."""


def fused_embeddings(
    model: FaceModel,
    faces: FaceSet,
    cache: Path,
    *,
    flip: bool,
    batch_size: int = 128,
    workers: int = 0,
) -> Tensor:
    """Embed every face, or every face and its mirror image.

    Args:
        model: The model, where it shall compute.
        faces: The faces.
        cache: Folder of the embeddings of frozen models.
        flip: Whether the embeddings of an image and of its mirror image are averaged; a cosine
            then compares what the LFW protocol adds and normalises.
        batch_size: Images at a time.
        workers: Processes that decode images.

    Returns:
        Raw embeddings (N, D), float32.

    Raises:
        FaceGeomError: When an image cannot be read, or an embedding is not finite.
    """
    views = (False, True) if flip else (False,)
    parts = []
    for start in range(0, len(faces), PART):
        rows = range(start, min(start + PART, len(faces)))
        part = faces if len(rows) == len(faces) else faces.select(rows)
        embedded = [
            embed_cached(
                model, part, cache, mirrored=mirrored, batch_size=batch_size, workers=workers
            )
            for mirrored in views
        ]
        parts.append(torch.stack(embedded).mean(dim=0))
    return torch.cat(parts)


def device_of(name: str) -> torch.device:
    """Return the device that a configuration names; `auto` is the first GPU, or else the CPU.

    Raises:
        FaceGeomError: When there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, TypeError) as error:
        raise FaceGeomError(
            f"device={name} cannot be used ({str(error).splitlines()[0]}). Give auto, cpu, cuda, "
            "or cuda with a number, e.g. cuda:1."
        ) from error
