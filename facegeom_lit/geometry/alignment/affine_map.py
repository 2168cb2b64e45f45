"""A fitted affine map."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError


@dataclass(frozen=True)
class AffineMap:
    """The map `x ↦ x W + b`.

    Attributes:
        matrix: W, shape (p, q), float32.
        offset: b, shape (q,), float32.
        method: How it was fitted.
        bias: Whether both sides were centred.
        ridge: The λ that was used; None for other methods.
        count: Pairs it was fitted on.
        rank: Of the matrix of `low_rank`; None for other methods.
        scale: Whether `procrustes` scales.
    """

    matrix: Tensor
    offset: Tensor
    method: str
    bias: bool
    ridge: float | None
    count: int
    rank: int | None = None
    scale: bool = False

    def __call__(self, points: Tensor) -> Tensor:
        """Map embeddings of the source model, shape (N, p), to the target's space, (N, q).

        Raises:
            FaceGeomError: When the dimension is not p.
        """
        if points.ndim != 2 or points.shape[1] != len(self.matrix):
            raise FaceGeomError(
                f"This map takes embeddings of shape (N, {len(self.matrix)}), got "
                f"{tuple(points.shape)}."
            )
        # In half precision the rounding of W would cost more than that of the points.
        wide = torch.promote_types(points.dtype, torch.float32)
        matrix, offset = (side.to(points.device, wide) for side in (self.matrix, self.offset))
        return torch.addmm(offset, points.to(wide), matrix).to(points.dtype)
