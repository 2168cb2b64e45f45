"""AdaFace: a margin that adapts to image quality, read off the embedding's norm."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.heads.base import MarginHead, sine


class AdaFace(MarginHead):
    """AdaFace (Kim et al., CVPR 2022, section 3.2, equations 7 to 11).

    With z the norm of an embedding, standardised by running statistics and clipped to [-1, 1]:
    cos θ becomes cos(θ − m·z) − (m·z + m) for the true class. Large norms (good images) are pushed
    like CosFace, small ones like ArcFace with less force on hopeless images.

    Args:
        dimension: Length of the embeddings.
        classes: Number of identities.
        scale: Factor s of the cosines; the paper's is 64.
        margin: m, in [0, π/2); the paper's is 0.4.
        concentration: h, which sets how many norms fall inside [-1, 1]; the paper's is 0.333.
        momentum: Weight of each new batch in the running mean and deviation of the norms; the
            paper's is 0.01.

    Raises:
        FaceGeomError: When an argument is out of range.
    """

    norm_mean: Tensor
    norm_std: Tensor

    def __init__(
        self,
        dimension: int,
        classes: int,
        *,
        scale: float = 32.0,
        margin: float = 0.3,
        concentration: float = 0.333,
        momentum: float = 0.01,
    ) -> None:
        super().__init__(dimension, classes, scale=scale)
        if not 0 <= margin < math.pi / 2:
            raise FaceGeomError(f"Argument `margin` must lie in [0, π/2), got {margin}.")
        if not (concentration > 0 and 0 < momentum <= 1):
            raise FaceGeomError(
                "Arguments must satisfy `concentration` > 0 and 0 < `momentum` ≤ 1, "
                f"got {concentration} and {momentum}."
            )
        self.margin, self.concentration, self.momentum = margin, concentration, momentum
        # Wide at the start, as in the authors' code: the margin begins neutral and adapts.
        self.register_buffer("norm_mean", torch.tensor(20.0))
        self.register_buffer("norm_std", torch.tensor(100.0))

    def margin_cosine(self, cosine: Tensor, embeddings: Tensor) -> Tensor:
        """Cosine (B,) under the margin of each embedding's norm; in training, learns the norms."""
        quality = self._quality(embeddings)
        angle = -self.margin * quality
        rotated = cosine * angle.cos() - sine(cosine) * angle.sin()
        # The sine of θ + angle turns negative where that leaves [0, π]: stop at the nearer end.
        outside = sine(cosine) * angle.cos() + cosine * angle.sin() < 0
        rotated = torch.where(outside, torch.where(cosine > 0, 1.0, -1.0), rotated)
        return rotated - self.margin * (1.0 + quality)

    @torch.no_grad()
    def _quality(self, embeddings: Tensor) -> Tensor:
        norms = embeddings.norm(dim=1).clamp(1e-3, 100.0)
        if self.training and len(norms) > 1:
            self.norm_mean.lerp_(norms.mean(), self.momentum)
            self.norm_std.lerp_(norms.std(), self.momentum)
        standardised = (norms - self.norm_mean) / (self.norm_std + 1e-3)
        return (self.concentration * standardised).clamp(-1.0, 1.0)
