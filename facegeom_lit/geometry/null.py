"""What energy chance alone would give: base points permuted among the curves (GEOMETRY §1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.directions import Directions, directions, usable_together
from facegeom_lit.geometry.full_precision import full_precision
from facegeom_lit.geometry.microscale import DENSE, Energy, couple, defined_energy, scale_of
from facegeom_lit.geometry.neighborhood import Neighborhood, NeighborhoodName
from facegeom_lit.geometry.pairs.coupling import Scale, mean_cosines
from facegeom_lit.geometry.pairs.dense_coupling import dense_cosines, dense_distances, dense_weights
from facegeom_lit.geometry.placed import Placed
from facegeom_lit.geometry.points import Distance, blocks

FIELDS = 16
"""Permuted fields that one pass over the pairs of many curves serves."""

CELLS = 2**20
"""Weights that are held in float64 at a time, for a few permutations of few curves."""


@dataclass(frozen=True)
class NullEnergy:
    """An energy beside those of permuted base points.

    Attributes:
        observed: The energy of the field where it stands.
        energies: One for each permutation, shape (R,), float64; empty where the energy is
            undefined.
    """

    observed: Energy
    energies: Tensor

    @property
    def mean(self) -> float | None:
        """Mean of the permuted energies; None where the energy is undefined."""
        return float(self.energies.mean()) if len(self.energies) else None

    @property
    def std(self) -> float | None:
        """Standard deviation of the permuted energies; None with fewer than two."""
        return float(self.energies.std()) if len(self.energies) > 1 else None

    @property
    def z(self) -> float | None:
        """(Observed − mean) / std: below 0 = more aligned than chance.

        None where undefined, or where all permutations give one energy up to rounding (as when
        everybody is everybody's neighbour).
        """
        if self.observed.energy is None or self.mean is None or self.std is None:
            return None
        return (self.observed.energy - self.mean) / self.std if self.std > 1e-6 else None


def null_energy(
    base: Tensor,
    field: Tensor,
    permutations: int = 100,
    seed: int = 0,
    *,
    distance: Distance = "cosine",
    neighborhood: NeighborhoodName = "ball",
    radius: float = 0.6,
    k: int = 10,
    mean_distance: float | None = None,
    include_self: bool = False,
    max_neighbors: int | None = None,
) -> NullEnergy:
    """Energy of a field, and of the same field after its base points change places.

    Args:
        base: Base points, shape (C, D).
        field: Displacements, shape (C, D).
        permutations: How many.
        seed: Of the permutations, and of the choice of at most `max_neighbors`.
        distance: See `attribute_energy`, as all that follow.
        neighborhood: The neighbourhood.
        radius: Of the ball.
        k: Of knn.
        mean_distance: The unit of the radius.
        include_self: Count a curve as a neighbour of itself.
        max_neighbors: At most so many random neighbours in a ball.

    Raises:
        FaceGeomError: As `null_energies`.
    """
    rule = Neighborhood(neighborhood, radius, k, include_self, max_neighbors, seed)
    fields = {"field": field}
    return null_energies(
        base, fields, rule, permutations, seed, distance=distance, mean_distance=mean_distance
    )["field"]


@torch.no_grad()
def null_energies(
    base: Tensor,
    fields: Mapping[str, Tensor],
    rule: Neighborhood,
    permutations: int = 100,
    seed: int = 0,
    *,
    distance: Distance = "cosine",
    mean_distance: float | None = None,
) -> dict[str, NullEnergy]:
    """`null_energy` of several fields at shared base points, in a neighbourhood found once.

    Only usable curves take part in the permutations, which are the same for all fields that can
    use the same curves.

    Args:
        base: Base points, shape (C, D).
        fields: Displacements by attribute, each (C, D).
        rule: The neighbourhood.
        permutations: How many, ≥ 0.
        seed: Of the permutations.
        distance: The model's own distance.
        mean_distance: Mean distance of the identity's embeddings; None: of the base points.

    Raises:
        FaceGeomError: As `attribute_energy`, and for a negative number of permutations.
    """
    if permutations < 0:
        raise FaceGeomError(f"Argument `permutations` must be ≥ 0, got {permutations}.")
    points = Placed(base, distance, "base")
    scale = scale_of(base, points, mean_distance)
    measured: dict[str, NullEnergy] = {}
    for names, kept, count in usable_together(base, fields, distance):
        dropped = len(base) - count
        if count < 2:
            nothing = torch.zeros(0, dtype=torch.float64)
            undefined = NullEnergy(Energy(None, len(base), dropped, 0), nothing)
            measured.update(dict.fromkeys(names, undefined))
            continue
        generator = torch.Generator().manual_seed(seed)
        orders = [torch.arange(count)]
        orders += [torch.randperm(count, generator=generator) for _ in range(permutations)]
        places = torch.stack(orders).to(base.device)
        here = points if kept is None else points.subset(kept)
        found = [directions(fields[name], kept) for name in names]
        measure = _few if count <= DENSE else _many
        with full_precision(base.device):
            cosines, isolated = measure(here, found, places, rule, scale)
        for name, means in zip(names, cosines.tolist(), strict=True):
            observed, *permuted = [defined_energy(mean) for mean in means]
            defined = [energy for energy in permuted if energy is not None]
            measured[name] = NullEnergy(
                Energy(observed, len(base), dropped, isolated),
                torch.tensor(defined, dtype=torch.float64),
            )
    return {name: measured[name] for name in fields}


def _few(
    points: Placed,
    fields: Sequence[Directions],
    places: Tensor,
    rule: Neighborhood,
    scale: Scale,
) -> tuple[Tensor, int]:
    """Mean cosines (F, R) and isolated curves where whole matrices fit: made once, then read.

    A curve that moves takes its row and column of the cosines along; here the weights move to
    where the cosines are, which is the same sum for every field.
    """
    weights = dense_weights(dense_distances(points), rule, scale)
    cosines = dense_cosines(fields).flatten(1)
    totals = weights.sum(dim=1, keepdim=True)
    connected = int((totals > 0).sum())
    shares = (weights / totals).nan_to_num_(nan=0.0)
    backward = places.argsort(dim=1)
    means = []
    for part in blocks(len(places), max(CELLS // weights.numel(), 1)):
        back = backward[part]
        moved = shares[back.unsqueeze(2), back.unsqueeze(1)].flatten(1)
        means.append(cosines @ moved.T)
    return torch.cat(means, dim=1) / connected, len(points) - connected


def _many(
    points: Placed,
    fields: Sequence[Directions],
    places: Tensor,
    rule: Neighborhood,
    scale: Scale,
) -> tuple[Tensor, int]:
    """The same for any number of curves, some permutations in each pass over the pairs."""
    isolated = 0
    means = []
    for field in fields:
        order = places[0] if field.order is None else field.order
        found = []
        for part in blocks(len(places), FIELDS):
            moved = [Directions(field.rows, field.inverse, order[place]) for place in places[part]]
            coupling = couple(points, moved, [rule], scale)
            cosines, alone = mean_cosines(coupling.sums[0], coupling.totals)
            found.append(cosines)
            isolated = int(alone[0])
        means.append(torch.cat(found))
    return torch.stack(means), isolated
