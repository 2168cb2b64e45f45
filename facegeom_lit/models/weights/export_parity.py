"""Compares a written ONNX file with the face model that it was written from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.backbone import CROP
from facegeom_lit.models.face_model import FaceModel
from facegeom_lit.models.weights.export_preprocessing import is_bare
from facegeom_lit.models.weights.onnx_session import open_session, reason

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MIN_COSINE = 0.9999
NOISE_IMAGES = 4
BATCH = 16


@dataclass(frozen=True)
class Agreement:
    """How well the embeddings of a file agree with those of the model.

    Attributes:
        min_cosine: The smallest cosine of an image's two embeddings.
        mean_cosine: Their mean.
        max_difference: The largest absolute difference of a coordinate, of raw embeddings.
    """

    min_cosine: float
    mean_cosine: float
    max_difference: float


@dataclass(frozen=True)
class ParityReport:
    """What was compared when a model was exported.

    Attributes:
        noise: Number of random images.
        faces: Number of face crops.
        single: Whether the file takes one image at a time, as the graph it came from does.
        onnxruntime: Agreement of the file, run by onnxruntime.
        insightface: Agreement through `insightface.model_zoo`; None where it is not installed.
    """

    noise: int
    faces: int
    single: bool
    onnxruntime: Agreement
    insightface: Agreement | None


def check_parity(path: Path, model: FaceModel, faces: Tensor | None = None) -> ParityReport:
    """Compare an ONNX file with its model, on random images and on faces.

    Args:
        path: The file.
        model: The model, on the CPU and in evaluation mode.
        faces: Aligned RGB crops (N, 3, 112, 112), uint8.

    Raises:
        FaceGeomError: When a cosine is below `MIN_COSINE`, an embedding of the model is not
            finite, the file does not run, or `faces` are no such crops.
    """
    draw = torch.Generator().manual_seed(0)
    shape = (NOISE_IMAGES, 3, CROP, CROP)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=draw)
    if faces is not None:
        if faces.shape[1:] != shape[1:] or faces.dtype != torch.uint8:
            raise FaceGeomError(
                f"Faces to compare on must be uint8 crops (N, 3, {CROP}, {CROP}), got "
                f"{faces.dtype} {tuple(faces.shape)}."
            )
        images = torch.cat([images, faces])
    with torch.inference_mode():
        wanted = torch.cat([model(batch) for batch in images.split(BATCH)])
    if broken := int((~wanted.isfinite()).any(1).sum()):
        raise FaceGeomError(
            f"Model {model.card.name!r} gives NaN or infinite embeddings for {broken} of "
            f"{len(images)} images, so nothing was exported. Use an earlier checkpoint."
        )

    session = open_session(path)
    single = session.get_inputs()[0].shape[0] == 1

    def compare(embed: Callable[[Tensor], np.ndarray], reader: str) -> Agreement:
        try:
            parts = [torch.from_numpy(embed(batch)) for batch in _batches(images, single)]
        except Exception as error:  # onnxruntime's own kinds have no public name
            raise FaceGeomError(
                f"The ONNX of {model.card.name!r} cannot be run by {reader}, so nothing was "
                f"exported: {reason(error)}. Use format=safetensors."
            ) from error
        return _agreement(torch.cat(parts), wanted, reader, model)

    return ParityReport(
        noise=NOISE_IMAGES,
        faces=len(images) - NOISE_IMAGES,
        single=single,
        onnxruntime=compare(_runtime(session, model), "onnxruntime"),
        insightface=compare(through, "insightface") if (through := _insightface(path)) else None,
    )


def import_insightface() -> Any | None:
    """Return the package `insightface` with `model_zoo` and `app`; None where it is missing."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # insightface imports albumentations
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import insightface.app
        import insightface.model_zoo
    except ImportError:  # or libGL, which its OpenCV needs, is not on this machine
        return None
    return insightface


def _runtime(session: InferenceSession, model: FaceModel) -> Callable[[Tensor], np.ndarray]:
    """Feed the file what InsightFace would."""
    name = session.get_inputs()[0].name
    offset, scale = (127.5, 127.5) if is_bare(model.card) else (0.0, 1.0)
    return lambda images: session.run(None, {name: ((images.float() - offset) / scale).numpy()})[0]


def _insightface(path: Path) -> Callable[[Tensor], np.ndarray] | None:
    insightface = import_insightface()
    if insightface is None:
        return None
    network = insightface.model_zoo.get_model(str(path), providers=["CPUExecutionProvider"])
    if getattr(network, "taskname", None) != "recognition":
        raise FaceGeomError(f"insightface does not take {path} for a recognition model.")
    return lambda images: network.get_feat(
        list(np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy()[..., ::-1]))
    )


def _batches(images: Tensor, single: bool) -> Iterator[Tensor]:
    """One image, then the rest: a file that says it takes any batch must take both."""
    yield images[:1]
    yield from images[1:].split(1 if single else BATCH)


def _agreement(found: Tensor, wanted: Tensor, reader: str, model: FaceModel) -> Agreement:
    if found.shape != wanted.shape:
        raise FaceGeomError(
            f"The ONNX of {model.card.name!r} gives embeddings of shape {tuple(found.shape)} in "
            f"{reader}, the model {tuple(wanted.shape)}; nothing was exported."
        )
    cosines = F.cosine_similarity(found.double(), wanted.double(), eps=1e-300)
    agreement = Agreement(
        float(cosines.min()), float(cosines.mean()), float((found - wanted).abs().max())
    )
    if not agreement.min_cosine >= MIN_COSINE:
        raise FaceGeomError(
            f"The ONNX of {model.card.name!r} ({model.card.architecture}) does not give the "
            f"model's embeddings in {reader}: smallest cosine {agreement.min_cosine:.6f} over "
            f"{len(cosines)} images, {MIN_COSINE} is asked for. Nothing was exported; use "
            "format=safetensors."
        )
    return agreement
