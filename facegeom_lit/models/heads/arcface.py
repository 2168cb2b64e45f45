"""ArcFace: additive angular margin."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.heads.base import MarginHead, sine


class ArcFace(MarginHead):
    """ArcFace (Deng et al., CVPR 2019, equation 3): cos θ becomes cos(θ + m) for the true class.

    Where θ + m would pass π, cos θ − m·sin m stands instead, as in `arcface_torch`: the logit keeps
    falling with the angle.

    Args:
        dimension: Length of the embeddings.
        classes: Number of identities.
        scale: Factor s of the cosines; the paper's 64 is for tens of thousands of identities.
        margin: Angle m in radians, in [0, π/2); the paper's is 0.5.

    Raises:
        FaceGeomError: When an argument is out of range.

    Example:
        >>> head = ArcFace(2, 2, scale=1.0, margin=0.5)
        >>> _ = head.centers.data.copy_(torch.eye(2))
        >>> head(torch.tensor([[3.0, 4.0]]), torch.tensor([0]))
        tensor([[0.1430, 0.8000]], grad_fn=<MulBackward0>)
    """

    def __init__(
        self, dimension: int, classes: int, *, scale: float = 32.0, margin: float = 0.3
    ) -> None:
        super().__init__(dimension, classes, scale=scale)
        if not 0 <= margin < math.pi / 2:
            raise FaceGeomError(f"Argument `margin` must lie in [0, π/2), got {margin}.")
        self.margin = margin

    def margin_cosine(self, cosine: Tensor, embeddings: Tensor) -> Tensor:
        """Cosine (B,) of the angle enlarged by the margin."""
        shifted = cosine * math.cos(self.margin) - sine(cosine) * math.sin(self.margin)
        beyond = cosine - self.margin * math.sin(self.margin)
        return torch.where(cosine > -math.cos(self.margin), shifted, beyond)
