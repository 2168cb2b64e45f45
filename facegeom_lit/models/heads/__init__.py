"""Losses' heads: from embeddings and labels to logits, one a file."""

from facegeom_lit.models.heads.adaface import AdaFace
from facegeom_lit.models.heads.arcface import ArcFace
from facegeom_lit.models.heads.combined_margin import CombinedMargin
from facegeom_lit.models.heads.cosface import CosFace
from facegeom_lit.models.heads.softmax import Softmax

__all__ = ["AdaFace", "ArcFace", "CombinedMargin", "CosFace", "Softmax"]
