"""Attribute alignment energy: how disordered a field is (GEOMETRY §1; arXiv 2507.11372)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from facegeom_lit.geometry.directions import SHORTEST, usable_curves
from facegeom_lit.geometry.microscale import Energy, field_geometries
from facegeom_lit.geometry.neighborhood import Neighborhood, NeighborhoodName
from facegeom_lit.geometry.points import Distance

__all__ = ["SHORTEST", "Energy", "attribute_energies", "attribute_energy", "usable_curves"]


def attribute_energy(
    base: Tensor,
    field: Tensor,
    *,
    distance: Distance = "cosine",
    neighborhood: NeighborhoodName = "ball",
    radius: float = 0.6,
    k: int = 10,
    mean_distance: float | None = None,
    include_self: bool = False,
    max_neighbors: int | None = None,
    seed: int = 0,
) -> Energy:
    """Energy of one attribute for one identity.

    The mean over curves of the weighted mean of `1 − u_c·u_c'` over the neighbours of `c`, with
    `u` the directions of the field.

    Args:
        base: Base points, shape (C, D); normalised inside for the cosine.
        field: Displacements along the attribute, shape (C, D), of normalised embeddings where
            the distance is the cosine (see `central_field`).
        distance: The model's own distance.
        neighborhood: `ball`: points within `radius` × mean distance. `knn`: the `k` nearest
            (all others where there are fewer). `inverse_distance`: all others, weighted by 1/d.
        radius: Of the ball, in units of the mean distance, > 0.
        k: Of knn, ≥ 1.
        mean_distance: Mean distance of the identity's embeddings; None: of the base points.
        include_self: Count a curve as a neighbour of itself, as the published scripts do. (Under
            `inverse_distance` it has weight zero either way.)
        max_neighbors: At most so many random neighbours in a ball; None: all.
        seed: Of their choice.

    Returns:
        The energy with its counts.

    Raises:
        FaceGeomError: When shapes disagree, values are not finite, or an argument is out of range.

    Example:
        >>> base = torch.eye(4)
        >>> attribute_energy(base, torch.ones(4, 4), neighborhood="knn").energy
        0.0
        >>> attribute_energy(base, torch.eye(4), neighborhood="knn", k=3).alignment
        0.0
    """
    return attribute_energies(
        base,
        {"field": field},
        distance=distance,
        neighborhood=neighborhood,
        radius=radius,
        k=k,
        mean_distance=mean_distance,
        include_self=include_self,
        max_neighbors=max_neighbors,
        seed=seed,
    )["field"]


@torch.no_grad()
def attribute_energies(
    base: Tensor,
    fields: Mapping[str, Tensor],
    *,
    distance: Distance = "cosine",
    neighborhood: NeighborhoodName = "ball",
    radius: float = 0.6,
    k: int = 10,
    mean_distance: float | None = None,
    include_self: bool = False,
    max_neighbors: int | None = None,
    seed: int = 0,
) -> dict[str, Energy]:
    """Energies of several fields at the same base points; the neighbours are found once.

    Args:
        base: Base points, shape (C, D).
        fields: Displacements by attribute, each of shape (C, D).
        distance: See `attribute_energy`, as all that follow.
        neighborhood: The neighbourhood.
        radius: Of the ball.
        k: Of knn.
        mean_distance: The unit of the radius.
        include_self: Count a curve as a neighbour of itself.
        max_neighbors: At most so many random neighbours in a ball.
        seed: Of their choice.

    Returns:
        One energy for each field.

    Raises:
        FaceGeomError: When shapes disagree, values are not finite, or an argument is out of range.
    """
    rule = Neighborhood(neighborhood, radius, k, include_self, max_neighbors, seed)
    found = field_geometries(base, fields, [rule], distance=distance, mean_distance=mean_distance)
    return {name: geometry.energies[rule.label] for name, geometry in found.items()}
