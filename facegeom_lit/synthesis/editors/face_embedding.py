"""Embeddings of given photos by the face model that an identity-conditioned pipeline expects."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.embed import model_hash
from facegeom_lit.models.storage import load_face_model
from facegeom_lit.models.weights.onnx_session import open_session
from facegeom_lit.synthesis.editors.pipelines import KEY
from facegeom_lit.synthesis.maker import source_hash
from facegeom_lit.synthesis.photometric import Pixels


class FaceEmbedding:
    """A face model by file: one of this project's, `arcface_torch` weights, or InsightFace's ONNX.

    Args:
        path: Of the model. An ONNX file is fed as InsightFace feeds its ArcFace networks: RGB,
            from -1 to 1.

    Raises:
        FaceGeomError: When there is no such file.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path).expanduser()
        if not self._path.exists():
            raise FaceGeomError(f"{KEY}.face_model={path}: there is no such file or folder.")

    @property
    def hash(self) -> str:
        """Hash of the model and of how it is fed."""
        onnx = sha256(self._path.read_bytes()).hexdigest() if self._onnx else ""
        return source_hash([Path(__file__)]) + (onnx or model_hash(self._model))

    def __call__(self, photos: Sequence[Pixels]) -> Tensor:
        """Return (B, D) L2-normalised embeddings, float32 on the CPU."""
        images = np.stack(photos).transpose(0, 3, 1, 2)
        if self._onnx:
            session = self._model
            fed = {session.get_inputs()[0].name: (images.astype(np.float32) - 127.5) / 127.5}
            embeddings = torch.from_numpy(session.run(None, fed)[0])
        else:
            with torch.inference_mode():
                embeddings = self._model(torch.from_numpy(images.copy())).clone()
        return torch.nn.functional.normalize(embeddings)

    @property
    def _onnx(self) -> bool:
        return self._path.suffix == ".onnx"

    @cached_property
    def _model(self) -> Any:
        if not self._onnx:
            return load_face_model(self._path)
        try:
            return open_session(self._path, threads=1)
        except FaceGeomError as error:
            raise FaceGeomError(f"{KEY}.face_model: {error}") from error
