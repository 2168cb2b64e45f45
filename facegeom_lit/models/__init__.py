"""Face models, their cards, their weights on disk, and the heads that train them."""

from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.models.card import ModelCard
from facegeom_lit.models.face_model import FaceModel, preprocess
from facegeom_lit.models.storage import (
    build_face_model,
    load_face_model,
    save_face_model,
    weights_hash,
)

__all__ = [
    "FaceModel",
    "ModelCard",
    "build_backbone",
    "build_face_model",
    "load_face_model",
    "preprocess",
    "save_face_model",
    "weights_hash",
]
