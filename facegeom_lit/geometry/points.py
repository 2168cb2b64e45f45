"""Sets of points as the measures need them: checked, and placed where distances are computed."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError

Distance = Literal["cosine", "euclidean"]

ROUNDING = 1e-6
"""Points closer than this fraction of their length are the same point in float32."""


def check_points(name: str, points: Tensor) -> None:
    """Refuse anything but a finite floating-point matrix.

    Args:
        name: What the message calls the tensor.
        points: Expected shape (N, D).

    Raises:
        FaceGeomError: When the shape or type is another, or a row holds NaN or infinity.
    """
    if points.ndim != 2 or not points.is_floating_point():
        raise FaceGeomError(
            f"`{name}` must be a floating-point tensor of shape (N, D), got {points.dtype} of "
            f"shape {tuple(points.shape)}."
        )
    # A length is finite where all of its row is; the closer look is for rows so long that the
    # length overflows.
    if torch.isfinite(lengths(points)).all():
        return
    bad = int((~torch.isfinite(points).all(dim=1)).sum())
    if bad:
        raise FaceGeomError(
            f"`{name}` holds NaN or infinity in {bad} of {len(points)} rows. Look for the cause "
            "where these embeddings were made (learning rate, half precision, a damaged image)."
        )


def check_distance(distance: str) -> None:
    """Raise FaceGeomError unless `distance` is a known one."""
    if distance not in get_args(Distance):
        raise FaceGeomError(
            f"Argument `distance` must be one of {get_args(Distance)}, got {distance!r}."
        )


def lengths(points: Tensor) -> Tensor:
    """Euclidean length of each row (N, D), in float32 or, of float64 rows, in float64."""
    wide = torch.promote_types(points.dtype, torch.float32)
    return torch.linalg.vector_norm(points, dim=1, dtype=wide)


def exact_lengths(points: Tensor) -> Tensor:
    """Euclidean length of each row (N, D), in float64, without a float64 copy of the whole."""
    sizes = points.new_empty(len(points), dtype=torch.float64)
    for rows in blocks(len(points), 1024):
        sizes[rows] = torch.linalg.vector_norm(points[rows], dim=1, dtype=torch.float64)
    return sizes


def normalized(points: Tensor) -> Tensor:
    """Divide every row by its length; a row of zeros stays as it is.

    Args:
        points: Shape (N, D).

    Returns:
        Shape (N, D), rows of length 1.
    """
    return torch.nn.functional.normalize(points, dim=1)


def comparable(points: Tensor, distance: Distance, name: str = "embeddings") -> Tensor:
    """Place points in float64 where their distances are computed accurately.

    Cosine: rows of length 1. Euclidean: the common mean is taken away, which changes no distance
    and saves the digits that a large mean would eat.

    Args:
        points: Shape (N, D).
        distance: The model's own distance.
        name: What messages call the points.

    Returns:
        Shape (N, D), float64.

    Raises:
        FaceGeomError: When a row is not finite, or is zero where a cosine is asked for.
    """
    check_points(name, points)
    check_distance(distance)
    placed = points.double()
    if distance == "euclidean":
        return placed - placed.mean(dim=0)
    norms = lengths(placed).unsqueeze(1)
    zero = int((norms == 0).sum())
    if zero:
        raise FaceGeomError(
            f"`{name}` holds {zero} of {len(points)} rows of length zero: they have no cosine "
            "distance. Look for dead outputs in the model that made them."
        )
    return placed.div_(norms) if placed is not points else placed / norms


def pair_distances(left: Tensor, right: Tensor, distance: Distance) -> Tensor:
    """Distances between all rows of two sets that `comparable` placed.

    Args:
        left: Shape (N, D).
        right: Shape (M, D).
        distance: The model's own distance.

    Returns:
        Shape (N, M), never negative.
    """
    products = left @ right.T
    if distance == "cosine":
        return products.neg_().add_(1.0).clamp_(min=0.0)
    squares = products.mul_(-2.0).add_(left.square().sum(dim=1, keepdim=True))
    return squares.add_(right.square().sum(dim=1)).clamp_(min=0.0).sqrt_()


def zero_distance(points: Tensor, distance: Distance) -> float:
    """The distance under which two points are the same point in float32.

    Args:
        points: The points as they were given, shape (N, D).
        distance: The model's own distance.
    """
    if distance == "cosine":
        return ROUNDING**2 / 2
    return ROUNDING * float(lengths(points).double().square().mean().sqrt())


def tile_size(points: Tensor) -> int:
    """Rows of a block: for a CPU about what its cache holds, for a GPU what keeps it busy."""
    return 640 if points.device.type == "cpu" else 4096


def blocks(count: int, size: int) -> list[slice]:
    """Cut `count` rows into slices of at most `size`.

    Example:
        >>> blocks(5, 2)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
