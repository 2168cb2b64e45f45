"""Energies of a whole lattice: every attribute, every identity (GEOMETRY §1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.fields import central_field, response_size
from facegeom_lit.geometry.neighborhood import NeighborhoodName
from facegeom_lit.geometry.null import null_energy
from facegeom_lit.geometry.points import Distance, check_distance, check_points, normalized
from facegeom_lit.geometry.spread import identity_spread, mean_distance


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
        values: Tensor = getattr(self, name)
        defined = values[~values.isnan()]
        return float(defined.mean()) if len(defined) else None


@torch.no_grad()
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
    """Energy, response and null of each attribute for each identity.

    The mean distance and the spread of an identity are taken over all its lattice images, of all
    steps and attributes.

    Args:
        embeddings: Raw embeddings of the lattice's images, shape (N, D); normalised inside for
            the cosine.
        curves: Rows of the three steps `a − δ`, `a`, `a + δ` by attribute, each (C, 3), int64.
        identity: Identity index of each curve by attribute, each (C,), int64.
        distance: The model's own distance.
        neighborhood: See `attribute_energy`, as the next three.
        radius: Of the ball.
        k: Of knn.
        include_self: Count a curve as a neighbour of itself.
        null_permutations: Permutations for each identity and attribute, ≥ 0.
        seed: Of the permutations.

    Returns:
        The measures by attribute.

    Raises:
        FaceGeomError: When embeddings are not finite, or curves do not fit them.
    """
    check_points("embeddings", embeddings)
    check_distance(distance)
    _check_curves(len(embeddings), curves, identity)
    embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
    if distance == "cosine":
        embeddings = normalized(embeddings)
    units = _units(embeddings, curves, identity, distance)
    measured = {}
    for attribute, rows in curves.items():
        owners = identity[attribute]
        identities = owners.unique()
        entries = []
        for person in identities.tolist():
            apart, spread = units[person]
            base, field = central_field(embeddings[rows[owners == person]], distance)
            null = null_energy(
                base,
                field,
                null_permutations,
                seed,
                distance=distance,
                neighborhood=neighborhood,
                radius=radius,
                k=k,
                mean_distance=apart,
                include_self=include_self,
            )
            energy = null.observed
            floats = (
                energy.energy,
                response_size(field, spread),
                response_size(field, 1.0),
                null.mean,
                null.z,
            )
            entries.append(
                (
                    [float("nan") if x is None else x for x in floats],
                    (energy.curves, energy.dropped, energy.isolated),
                )
            )
        numbers = torch.tensor([e[0] for e in entries], dtype=torch.float64).reshape(-1, 5)
        counts = torch.tensor([e[1] for e in entries], dtype=torch.int64).reshape(-1, 3)
        measured[attribute] = LatticeEnergy(identities.cpu(), *numbers.T, *counts.T)
    return measured


def _units(
    embeddings: Tensor,
    curves: Mapping[str, Tensor],
    identity: Mapping[str, Tensor],
    distance: Distance,
) -> dict[int, tuple[float, float]]:
    """Mean distance and spread of each identity's lattice images."""
    rows = torch.cat([c.flatten() for c in curves.values()])
    owners = torch.cat([i.repeat_interleave(3) for i in identity.values()])
    units = {}
    for person in owners.unique().tolist():
        images = embeddings[rows[owners == person].unique()]
        units[person] = (mean_distance(images, distance), identity_spread(images))
    return units


def _check_curves(
    images: int, curves: Mapping[str, Tensor], identity: Mapping[str, Tensor]
) -> None:
    if not curves or curves.keys() != identity.keys():
        raise FaceGeomError(
            f"`curves` and `identity` must hold the same attributes, got {sorted(curves)} and "
            f"{sorted(identity)}."
        )
    for attribute, rows in curves.items():
        if rows.ndim != 2 or rows.shape[1] != 3 or identity[attribute].shape != rows.shape[:1]:
            raise FaceGeomError(
                f"Curves of {attribute!r} must have shape (C, 3) with one identity each, got "
                f"{tuple(rows.shape)} and {tuple(identity[attribute].shape)}."
            )
        if len(rows) and not (int(rows.min()) >= 0 and int(rows.max()) < images):
            raise FaceGeomError(
                f"Curves of {attribute!r} name rows {int(rows.min())}…{int(rows.max())}, but there "
                f"are {images} embeddings."
            )
