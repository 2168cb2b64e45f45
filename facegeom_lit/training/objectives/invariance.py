"""Invariance: a person is the same person whatever the attribute."""

from __future__ import annotations

from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.training.objectives.base import Objective, centered


class Invariance(Objective):
    """Identity loss over attribute-augmented images, and a pull towards one's own variations.

    The identity loss alone is the fine-tuning of Leroy et al. (ICML 2025). The pull adds
    `weight · mean ‖z − z̄‖²`, with `z̄` the mean of the unit embeddings `z` of one identity in the
    batch: it shrinks the response to whatever varies among a person's images.

    Args:
        pull: Weight of the pull, at least 0; 0 leaves the identity loss alone.
    """

    def __init__(self, pull: float = 0.0) -> None:
        super().__init__()
        if pull < 0:
            raise FaceGeomError(f"objective.pull must be at least 0, got {pull}.")
        self.pull = pull

    def term(self, directions: Tensor, labels: Tensor, values: Tensor) -> Tensor:
        """Return the weighted pull."""
        if self.pull == 0:
            return super().term(directions, labels, values)
        return self.pull * centered(directions, labels).square().sum(1).mean()
