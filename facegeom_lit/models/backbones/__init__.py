"""Networks from normalised crops to embeddings, one architecture a file."""

from facegeom_lit.models.backbones.backbone import Backbone
from facegeom_lit.models.backbones.registry import ARCHITECTURES, build_backbone

__all__ = ["ARCHITECTURES", "Backbone", "build_backbone"]
