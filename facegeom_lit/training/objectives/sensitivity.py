"""Sensitivity: keep, or strengthen, a coherent response to the attribute."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.training.objectives.base import Objective, centered


class Sensitivity(Objective):
    """Identity loss, and one direction along which embeddings follow the attribute.

    Among the images of one identity, the unit embedding shall move by `response` along a learned
    direction `g` (shared by all identities) when the attribute moves by half of its range:
    `weight · mean ((z − z̄)·g − response · (a − ā))²`. A shared direction is what an aligned field
    is, so this is the opposite of invariance.

    Args:
        dimension: Embedding dimension D.
        weight: Weight of the term, positive.
        response: Displacement asked for, in units of the unit sphere, positive.
    """

    needs_attribute = True

    def __init__(self, dimension: int, weight: float = 10.0, response: float = 0.3) -> None:
        super().__init__()
        for key, value in (("weight", weight), ("response", response)):
            if value <= 0:
                raise FaceGeomError(f"objective.{key} must be positive, got {value}.")
        self.weight = weight
        self.response = response
        generator = torch.Generator().manual_seed(0)
        self.direction = nn.Parameter(torch.randn(dimension, generator=generator))

    def term(self, directions: Tensor, labels: Tensor, values: Tensor) -> Tensor:
        """Return the weighted squared error of the response.

        Raises:
            FaceGeomError: When a value is unknown.
        """
        if bool(values.isnan().any()):
            raise FaceGeomError(
                "objective=sensitivity needs the attribute's value of every training image; some "
                "are unknown. Choose a face set that states them, or another objective."
            )
        moved = centered(directions, labels) @ F.normalize(self.direction, dim=0)
        asked = self.response * centered(values.float(), labels)
        return self.weight * (moved - asked).square().mean()
