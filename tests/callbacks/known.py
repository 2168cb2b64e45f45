"""What the callbacks are tested on: embeddings whose geometry is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from facegeom_lit.models import FaceModel, ModelCard, build_backbone

PEOPLE, IMAGES = 8, 9


@dataclass
class KnownEmbeddings:
    """Stands where the module stands: embeddings by set, and a model's card."""

    by_set: Mapping[str, Tensor]
    model: FaceModel = field(default_factory=lambda: small_model())

    def embeddings(self, name: str) -> Tensor:
        return self.by_set[name]


def small_model() -> FaceModel:
    arguments = {"width": 0.25, "dimension": 8}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = build_backbone("mobilefacenet", **arguments)
    card = ModelCard("small", "mobilefacenet", 8, arguments)
    return FaceModel(backbone, card).eval()
