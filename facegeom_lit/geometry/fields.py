"""Fields: how an attribute moves the embeddings of one identity (GEOMETRY §1; arXiv 2507.11372)."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, check_distance, normalized


def field(minus: Tensor, plus: Tensor) -> Tensor:
    """Central differences `plus − minus`, in float32 at least.

    Args:
        minus: Embeddings at `a − δ`, shape (C, D).
        plus: Embeddings at `a + δ`, shape (C, D).

    Returns:
        Shape (C, D).

    Raises:
        FaceGeomError: When the shapes differ.
    """
    if minus.shape != plus.shape:
        raise FaceGeomError(
            f"Both ends of the curves must have the same shape, got {tuple(minus.shape)} and "
            f"{tuple(plus.shape)}."
        )
    wide = torch.promote_types(minus.dtype, torch.float32)
    return plus.to(wide) - minus.to(wide)


def central_field(curves: Tensor, distance: Distance = "cosine") -> tuple[Tensor, Tensor]:
    """Base points and field of curves of raw embeddings.

    Args:
        curves: Embeddings of the three steps `a − δ`, `a`, `a + δ`, shape (C, 3, D).
        distance: The model's own distance; with "cosine" the embeddings are normalised first.

    Returns:
        Base points (C, D) and field (C, D).

    Raises:
        FaceGeomError: When the shape is not (C, 3, D).

    Example:
        >>> curves = torch.tensor([[[3.0, 0.0], [1.0, 1.0], [0.0, 2.0]]])
        >>> central_field(curves)[1]
        tensor([[-1.,  1.]])
    """
    if curves.ndim != 3 or curves.shape[1] != 3:
        raise FaceGeomError(f"`curves` must have shape (C, 3, D), got {tuple(curves.shape)}.")
    check_distance(distance)
    curves = curves.to(torch.promote_types(curves.dtype, torch.float32))
    if distance == "cosine":
        curves = normalized(curves.flatten(0, 1)).view_as(curves)
    return curves[:, 1], field(curves[:, 0], curves[:, 2])


def response_size(displacement: Tensor, spread: float) -> float | None:
    """Mean length of a field in units of the identity's own spread.

    An energy near 1 with a tiny response is invariance; with a large one it is chaos.

    Args:
        displacement: Field, shape (C, D).
        spread: `identity_spread` of all embeddings of that identity, > 0.

    Returns:
        A number ≥ 0; None without curves or where the spread is zero (all embeddings equal).

    Example:
        >>> response_size(torch.tensor([[3.0, 4.0]]), spread=2.0)
        2.5
    """
    if len(displacement) == 0 or spread == 0:
        return None
    return float(torch.linalg.vector_norm(displacement.double(), dim=1).mean()) / spread
