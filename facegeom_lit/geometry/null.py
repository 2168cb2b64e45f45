"""What energy chance alone would give: base points permuted among the curves (GEOMETRY §1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.coupling import Directions
from facegeom_lit.geometry.energy import (
    Energy,
    ball_limit,
    directions,
    field_energies,
    usable_curves,
)
from facegeom_lit.geometry.neighborhood import Neighborhood, NeighborhoodName
from facegeom_lit.geometry.points import Distance, comparable, zero_distance


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


@torch.no_grad()
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
) -> NullEnergy:
    """Energy of a field, and of the same field after its base points change places.

    The neighbours are found once; only usable curves take part in the permutations.

    Args:
        base: Base points, shape (C, D).
        field: Displacements, shape (C, D).
        permutations: How many.
        seed: Of the permutations.
        distance: See `attribute_energy`, as all that follow.
        neighborhood: The neighbourhood.
        radius: Of the ball.
        k: Of knn.
        mean_distance: The unit of the radius.
        include_self: Count a curve as a neighbour of itself.

    Raises:
        FaceGeomError: As `attribute_energy`, and for a negative number of permutations.
    """
    if permutations < 0:
        raise FaceGeomError(f"Argument `permutations` must be ≥ 0, got {permutations}.")
    rule = Neighborhood(neighborhood, distance, radius, k, include_self)
    points = comparable(base, distance, "base")
    mask = usable_curves(base, field)
    count = int(mask.sum())
    dropped = len(base) - count
    nothing = torch.zeros(0, dtype=torch.float64)
    if count < 2:
        return NullEnergy(Energy(None, len(base), dropped, 0), nothing)
    observed = directions(field[mask])
    generator = torch.Generator().manual_seed(seed)
    orders = (torch.randperm(count, generator=generator) for _ in range(permutations))
    fields: list[Directions] = [observed]
    fields += [replace(observed, order=order.to(base.device)) for order in orders]
    energies, isolated = field_energies(
        points[mask],
        fields,
        rule,
        limit=ball_limit(points, rule, mean_distance),
        zero=zero_distance(base, distance),
    )
    defined = [energy for energy in energies[1:] if energy is not None]
    return NullEnergy(
        Energy(energies[0], len(base), dropped, isolated),
        torch.tensor(defined, dtype=torch.float64),
    )
