"""Combined margin: multiplicative angular, additive angular and additive cosine margins in one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.heads.base import MarginHead, sine


class CombinedMargin(MarginHead):
    """Combined margin (Deng et al., "ArcFace", CVPR 2019, equation 4): cos(m1·θ + m2) − m3.

    (1, m, 0) is ArcFace and (1, 0, m) CosFace. Where m1·θ + m2 would pass π, at the angle θ*, the
    logit goes on as cos θ − cos θ* − 1 − m3: continuous and falling. (`ArcFace` there follows
    `arcface_torch`, whose logit jumps at θ*.)

    Args:
        dimension: Length of the embeddings.
        classes: Number of identities.
        scale: Factor s of the cosines; the paper's is 64.
        multiplier: m1, at least 1.
        angle: m2 in radians, in [0, π/2).
        cosine: m3, in [0, 1].

    Raises:
        FaceGeomError: When an argument is out of range.
    """

    def __init__(
        self,
        dimension: int,
        classes: int,
        *,
        scale: float = 32.0,
        multiplier: float = 1.0,
        angle: float = 0.2,
        cosine: float = 0.1,
    ) -> None:
        super().__init__(dimension, classes, scale=scale)
        if not (multiplier >= 1 and 0 <= angle < math.pi / 2 and 0 <= cosine <= 1):
            raise FaceGeomError(
                "Arguments must satisfy `multiplier` ≥ 1, 0 ≤ `angle` < π/2 and 0 ≤ `cosine` ≤ 1, "
                f"got {multiplier}, {angle} and {cosine}."
            )
        self.multiplier, self.angle, self.cosine = multiplier, angle, cosine

    def margin_cosine(self, cosine: Tensor, embeddings: Tensor) -> Tensor:
        """Cosine (B,) under the three margins."""
        # atan2 has a finite gradient where acos has none, at angle 0.
        theta = torch.atan2(sine(cosine), cosine)
        last = (math.pi - self.angle) / self.multiplier
        inside = torch.cos(self.multiplier * theta + self.angle)
        return torch.where(theta < last, inside, cosine - math.cos(last) - 1.0) - self.cosine
