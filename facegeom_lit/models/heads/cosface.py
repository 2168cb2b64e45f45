"""CosFace: additive cosine margin."""

from __future__ import annotations

from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.heads.base import MarginHead


class CosFace(MarginHead):
    """CosFace (Wang et al., CVPR 2018, equation 4): cos θ becomes cos θ − m for the true class.

    Args:
        dimension: Length of the embeddings.
        classes: Number of identities.
        scale: Factor s of the cosines; the paper's is 64.
        margin: Cosine m in [0, 1]; the paper's is 0.35.

    Raises:
        FaceGeomError: When an argument is out of range.

    Example:
        >>> import torch
        >>> head = CosFace(2, 2, scale=10.0, margin=0.2)
        >>> _ = head.centers.data.copy_(torch.eye(2))
        >>> head(torch.tensor([[3.0, 4.0]]), torch.tensor([0])).detach()
        tensor([[4.0000, 8.0000]])
    """

    def __init__(
        self, dimension: int, classes: int, *, scale: float = 32.0, margin: float = 0.2
    ) -> None:
        super().__init__(dimension, classes, scale=scale)
        if not 0 <= margin <= 1:
            raise FaceGeomError(f"Argument `margin` must lie in [0, 1], got {margin}.")
        self.margin = margin

    def margin_cosine(self, cosine: Tensor, embeddings: Tensor) -> Tensor:
        """Cosine (B,) lowered by the margin."""
        return cosine - self.margin
