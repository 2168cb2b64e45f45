"""One face model on the curves of one set: the geometry within identities, with its chance."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.lattices import LatticeCurves
from facegeom_lit.geometry.lattice_geometry import (
    LatticeGeometry,
    MeanDistance,
    lattice_geometry,
)
from facegeom_lit.geometry.lattice_remarks import lattice_remarks
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.statistics import Interval, bootstrap_interval

ENERGY = "energy/"
"""What the name of an energy begins with; the label of its neighbourhood follows."""
MEASURES = (
    "response",
    "response_raw",
    "order_parameter",
    "correlation_length",
    "null_mean",
    "null_z",
    "leakage",
)
"""Fields of `AttributeGeometry` with one number an identity, beside the energies."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """The percentile bootstrap over identities.

    Attributes:
        resamples: At least 1.
        level: Coverage in (0, 1).
        seed: Of the draws.
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def interval(self, values: Tensor) -> Interval:
        """The mean of one number an identity, shape (I,), with its interval."""
        return bootstrap_interval(
            values, resamples=self.resamples, level=self.level, seed=self.seed
        )


@dataclass(frozen=True, slots=True)
class MicroscaleSettings:
    """What to measure, see `lattice_geometry`.

    Attributes:
        rules: Neighbourhoods; the first is the main one: of the null, the tests and the figures.
        mean_distance: `exact` or `sampled`.
        null_permutations: For each identity and attribute.
        bins: Of the correlation function.
        reach: Its end, in mean distances.
        resampling: Of the intervals.
    """

    rules: tuple[Neighborhood, ...]
    mean_distance: MeanDistance = "exact"
    null_permutations: int = 20
    bins: int = 20
    reach: float = 2.0
    resampling: Resampling = field(default_factory=Resampling)


@dataclass(frozen=True)
class Microscale:
    """What was measured of one model.

    Attributes:
        geometry: Identity by identity.
        people: Name of each identity of the geometry.
        figures: Attribute → measure → its mean over identities: `energy/RULE` for each
            neighbourhood, `alignment` (1 − the main energy), and `MEASURES`.
        interaction: Matrix (A, A) of the mean over identities and of its interval's ends: `mean`,
            `low`, `high`; NaN = undefined.
        notes: What a reader must know.
    """

    geometry: LatticeGeometry
    people: tuple[str, ...]
    figures: dict[str, dict[str, Interval]]
    interaction: dict[str, Tensor]
    notes: tuple[str, ...]

    @property
    def main(self) -> str:
        """Label of the main neighbourhood."""
        return self.geometry.rules[0]

    def values(self, measure: str, attribute: str) -> Tensor:
        """One number an identity, shape (I,); NaN = undefined.

        Args:
            measure: `energy` (the main one), `alignment`, `energy/RULE` or one of `MEASURES`.
            attribute: Its name.
        """
        found = self.geometry.by_attribute[attribute]
        if measure in ("energy", "alignment"):
            energy = found.energy[self.main]
            return energy if measure == "energy" else 1.0 - energy
        if measure.startswith(ENERGY):
            return found.energy[measure.removeprefix(ENERGY)]
        values: Tensor = getattr(found, measure)
        return values


def measure_microscale(
    embeddings: Tensor, lattice: LatticeCurves, distance: Distance, settings: MicroscaleSettings
) -> Microscale:
    """Measure a face model on curves.

    Args:
        embeddings: One for each image of the set, shape (N, D), raw.
        lattice: The curves.
        distance: The model's own distance.
        settings: What to measure.

    Raises:
        FaceGeomError: When an embedding is not finite, or no identity has an energy.
    """
    geometry = lattice_geometry(
        embeddings,
        lattice.rows,
        lattice.identity,
        rules=settings.rules,
        distance=distance,
        null_permutations=settings.null_permutations,
        bins=settings.bins,
        reach=settings.reach,
        seed=settings.resampling.seed,
        mean_distance=settings.mean_distance,
    )
    if all(
        energy.isnan().all() for f in geometry.by_attribute.values() for energy in f.energy.values()
    ):
        raise FaceGeomError(
            "No identity has an energy along any attribute: each needs two curves or more along "
            "which the embeddings move, close enough to be neighbours."
        )
    found = Microscale(
        geometry,
        tuple(lattice.people[number] for number in geometry.identities.tolist()),
        {},
        _interaction(geometry, settings.resampling),
        tuple(lattice_remarks(geometry)),
    )
    energies = [ENERGY + rule for rule in geometry.rules]
    for attribute in geometry.attributes:
        found.figures[attribute] = {
            measure: settings.resampling.interval(found.values(measure, attribute))
            for measure in (*energies, "alignment", *MEASURES)
        }
    return found


def _interaction(geometry: LatticeGeometry, resampling: Resampling) -> dict[str, Tensor]:
    """The mean matrix with an interval for each entry."""
    size = len(geometry.attributes)
    ends = {
        name: torch.full((size, size), torch.nan, dtype=torch.float64)
        for name in ("mean", "low", "high")
    }
    for row in range(size):
        for column in range(size):
            found = resampling.interval(geometry.interaction[:, row, column])
            for name, value in zip(
                ("mean", "low", "high"), (found.value, found.low, found.high), strict=True
            ):
                if value is not None:
                    ends[name][row, column] = value
    return ends
