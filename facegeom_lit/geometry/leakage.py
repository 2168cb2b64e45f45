"""Identity leakage: does an attribute push a face towards somebody else? (GEOMETRY §1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import (
    Distance,
    check_distance,
    check_points,
    lengths,
    normalized,
    pair_distances,
    tile_size,
)


@torch.no_grad()
def identity_leakage(
    field: Tensor, centre: Tensor, other_centres: Tensor, distance: Distance = "cosine"
) -> float | None:
    """Mean |cos| between a field and the direction to the nearest other identity.

    Attributes with a high value push a face towards somebody else: they cause false matches.
    Judge it beside `chance_leakage`.

    Args:
        field: Displacements of one identity, shape (C, D); rows of zeros have no direction and are
            left out.
        centre: Mean of that identity's embeddings (normalised ones where the distance is the
            cosine), shape (D,).
        other_centres: The same of the other identities, shape (M, D).
        distance: The model's own; it decides which centre is the nearest.

    Returns:
        In [0, 1]; None without another identity, without a displacement, or where the nearest
        centre is this one's own.

    Raises:
        FaceGeomError: When dimensions differ or values are not finite.

    Example:
        >>> field = torch.tensor([[0.0, 2.0], [0.0, -1.0]])
        >>> others = torch.tensor([[1.0, 1.0], [9.0, -9.0]])
        >>> identity_leakage(field, torch.tensor([1.0, 0.0]), others, "euclidean")
        1.0
    """
    if centre.shape != field.shape[1:] or other_centres.shape[1:] != field.shape[1:]:
        raise FaceGeomError(
            f"Field and centres must have the same dimension, got {tuple(field.shape)}, "
            f"{tuple(centre.shape)} and {tuple(other_centres.shape)}."
        )
    centres = torch.cat([centre.unsqueeze(0), other_centres])
    return leakage_toward(field, directions_to_nearest(centres, distance, rows=slice(0, 1))[0])


def directions_to_nearest(
    centres: Tensor, distance: Distance = "cosine", rows: slice | None = None
) -> Tensor:
    """The vector from each centre to the nearest other one.

    Args:
        centres: Of I identities, shape (I, D).
        distance: The model's own; it decides which centre is the nearest.
        rows: From which centres only; None: from all.

    Returns:
        Shape (I, D) or as many rows as asked for, float64; zeros without another identity, and
        from a centre of length zero where the distance is the cosine.

    Raises:
        FaceGeomError: When a centre is not finite.
    """
    check_points("centres", centres)
    check_distance(distance)
    count = len(centres)
    wanted = torch.arange(count, device=centres.device)[rows or slice(None)]
    centres = centres.double()
    if count < 2:
        return torch.zeros_like(centres[wanted])
    # No `comparable`: a centre of length zero is nobody's fault.
    placed = normalized(centres) if distance == "cosine" else centres - centres.mean(dim=0)
    toward = []
    for part in wanted.split(tile_size(placed)):
        distances = pair_distances(placed[part], placed, distance)
        distances.scatter_(1, part.unsqueeze(1), torch.inf)
        toward.append(centres[distances.argmin(dim=1)] - centres[part])
    found = torch.cat(toward)
    return found * placed[wanted].any(dim=1, keepdim=True) if distance == "cosine" else found


def leakage_toward(field: Tensor, toward: Tensor) -> float | None:
    """Mean |cos| between a field and one direction.

    Args:
        field: Displacements, shape (C, D); rows of zeros have no direction and are left out.
        toward: The direction, shape (D,).

    Returns:
        In [0, 1]; None without a displacement, or where the direction is zero.

    Raises:
        FaceGeomError: When values are not finite.
    """
    check_points("field", field)
    field, toward = field.double(), toward.double()
    norms = lengths(field)
    moving = norms > 0
    if not bool(moving.any()) or not bool(toward.any()):
        return None
    cosines = field[moving] @ toward / (norms[moving] * toward.norm())
    return min(float(cosines.abs().mean()), 1.0)


def chance_leakage(dimension: int) -> float:
    """What `identity_leakage` is on average where directions have nothing to do with identities.

    The mean |cos| of a uniformly random direction with any fixed one:
    `Γ(D/2) / (√π · Γ((D+1)/2))`, about `√(2 / (π D))`.

    Args:
        dimension: D ≥ 1.

    Raises:
        FaceGeomError: When the dimension is below 1.

    Example:
        >>> round(chance_leakage(2), 4), round(chance_leakage(512), 4)
        (0.6366, 0.0353)
    """
    if dimension < 1:
        raise FaceGeomError(f"Argument `dimension` must be at least 1, got {dimension}.")
    return math.exp(math.lgamma(dimension / 2) - math.lgamma((dimension + 1) / 2)) / math.sqrt(
        math.pi
    )
