"""Energies of a whole lattice under one neighbourhood (GEOMETRY §1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.neighborhood import Neighborhood, NeighborhoodName
from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.statistics import defined_mean


@dataclass(frozen=True)
class LatticeEnergy:
    """One attribute, identity by identity; NaN where a number is undefined.

    Attributes:
        identities: Index of the identity of each entry, increasing, shape (I,), int64.
        energy: Shape (I,), float64, like all that follow unless said otherwise.
        response: Mean |v| in units of the identity's spread.
        response_raw: Mean |v|.
        null_mean: Mean energy over permuted base points.
        null_z: Energy as a z-score against those.
        curves: Curves given, int64.
        dropped: Curves too short to have a direction, int64.
        isolated: Further curves without a neighbour, int64.
    """

    identities: Tensor
    energy: Tensor
    response: Tensor
    response_raw: Tensor
    null_mean: Tensor
    null_z: Tensor
    curves: Tensor
    dropped: Tensor
    isolated: Tensor

    def mean(self, name: str) -> float | None:
        """Mean of one of the measures over the identities that have it; None if none has.

        Args:
            name: `energy`, `response`, `response_raw`, `null_mean` or `null_z`.
        """
        return defined_mean(getattr(self, name))


def lattice_energies(
    embeddings: Tensor,
    curves: Mapping[str, Tensor],
    identity: Mapping[str, Tensor],
    *,
    distance: Distance = "cosine",
    neighborhood: NeighborhoodName = "ball",
    radius: float = 0.6,
    k: int = 10,
    include_self: bool = False,
    null_permutations: int = 20,
    seed: int = 0,
) -> dict[str, LatticeEnergy]:
    """Energies of every attribute under one neighbourhood, beside response and null.

    Args:
        embeddings: See `lattice_geometry`, which measures more, as all that follow.
        curves: Rows of the three steps by attribute, each (C, 3), int64.
        identity: Identity index of each curve by attribute, each (C,), int64.
        distance: The model's own distance.
        neighborhood: See `attribute_energy`, as the next three.
        radius: Of the ball.
        k: Of knn.
        include_self: Count a curve as a neighbour of itself.
        null_permutations: Permutations for each identity and attribute, ≥ 0.
        seed: Of the permutations.

    Returns:
        The measures by attribute, of the identities that have curves of it.

    Raises:
        FaceGeomError: When embeddings are not finite, or curves do not fit them.
    """
    rule = Neighborhood(neighborhood, radius=radius, k=k, include_self=include_self)
    geometry = lattice_geometry(
        embeddings,
        curves,
        identity,
        rules=[rule],
        distance=distance,
        null_permutations=null_permutations,
        seed=seed,
    )
    measured = {}
    for attribute, found in geometry.by_attribute.items():
        (energy,), (isolated,) = found.energy.values(), found.isolated.values()
        columns = (
            geometry.identities,
            energy,
            found.response,
            found.response_raw,
            found.null_mean,
            found.null_z,
            found.curves,
            found.dropped,
            isolated,
        )
        measured[attribute] = LatticeEnergy(*(column[found.curves > 0] for column in columns))
    return measured
