"""Energy, response and null of every measured attribute, live in validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from facegeom_lit.callbacks.evaluation import (
    ByIdentity,
    EvaluationCallback,
    Measurement,
    distance_of,
)
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.lattice_energy import LatticeEnergy, lattice_energies
from facegeom_lit.geometry.neighborhood import NeighborhoodName
from facegeom_lit.geometry.statistics import Interval, paired_interval
from facegeom_lit.models import FaceModel
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData

MEASURES = {
    "energy": "energy",
    "response": "response",
    "response_raw": "response_raw",
    "null": "null_mean",
    "null_z": "null_z",
}
"""Logged name → field of `LatticeEnergy`."""
ENERGY_FIGURES = ("energy", "alignment", "null", "null_z")
NEIGHBORHOODS = ("ball", "knn", "inverse_distance")


class AttributeGeometry(EvaluationCallback):
    """Measures a lattice: `val/<measure>/<attribute>` for each attribute with curves.

    A run's further lattices, such as the renderer's exact one beside a diffusion lattice, are
    measured by callbacks of their own, as `val/<lattice>_<measure>/<attribute>`.

    Measures are means over identities: `energy`, `alignment` (1 - energy), `response` (mean |v| in
    units of the identity's spread), `response_raw` (mean |v|), `null` (energy of permuted base
    points) and `null_z`.

    Args:
        neighborhood: `ball`, `knn` or `inverse_distance`.
        radius: Of the ball, in units of the identity's mean pair distance.
        k: Neighbours of `knn`.
        include_self: Count a point as its own neighbour, as the published script does.
        null_permutations: Permutations of the null, per identity and attribute.
        lattice: Name of a further lattice; one that the run does not have is not measured. None:
            the run's own.

    Raises:
        FaceGeomError: When an argument is out of range.
    """

    kind = "geometry"

    def __init__(
        self,
        neighborhood: NeighborhoodName = "ball",
        radius: float = 0.6,
        k: int = 10,
        include_self: bool = False,
        null_permutations: int = 20,
        lattice: str | None = None,
    ) -> None:
        super().__init__()
        self.lattice = lattice
        if lattice is not None:
            self.kind = f"{lattice}_{self.kind}"
        self._prefix = "" if lattice is None else f"{lattice}_"
        key = "callbacks.attribute_geometry"
        if neighborhood not in NEIGHBORHOODS:
            raise FaceGeomError(
                f"{key}.neighborhood must be one of {', '.join(NEIGHBORHOODS)}, got "
                f"{neighborhood!r}."
            )
        if radius <= 0 or k < 1 or null_permutations < 0:
            raise FaceGeomError(
                f"{key}: radius must be positive, k at least 1 and null_permutations at least 0, "
                f"got {radius}, {k}, {null_permutations}."
            )
        self.neighborhood: NeighborhoodName = neighborhood
        self.radius = radius
        self.k = k
        self.include_self = include_self
        self.null_permutations = null_permutations

    def connect(self, data: RunData, references: Mapping[str, FaceModel], cache: Path) -> None:
        """Take the lattice, with identities as numbers."""
        self._set = self.lattice or data.lattice_set
        found = data.lattice if self.lattice is None else data.further_lattices.get(self.lattice)
        self._curves = found.curves if found else {}
        identity = found.identity if found else {}
        self.people = sorted({name for names in identity.values() for name in names})
        number = {name: index for index, name in enumerate(self.people)}
        self._identity = {
            attribute: torch.tensor([number[name] for name in names])
            for attribute, names in identity.items()
        }

    def measure(self, module: FineTuneModule) -> Measurement:
        """Measure every attribute; the detail is a `LatticeEnergy` for each."""
        if not self._curves:
            return Measurement({}, {})
        measured = lattice_energies(
            module.embeddings(self._set),
            self._curves,
            self._identity,
            distance=distance_of(module),
            neighborhood=self.neighborhood,
            radius=self.radius,
            k=self.k,
            include_self=self.include_self,
            null_permutations=self.null_permutations,
        )
        metrics: dict[str, float | None] = {}
        for attribute, found in measured.items():
            energy = found.mean("energy")
            metrics[self._name("alignment", attribute)] = None if energy is None else 1 - energy
            for logged, name in MEASURES.items():
                metrics[self._name(logged, attribute)] = found.mean(name)
        remarks = _remarks(measured)
        if self.lattice is not None:
            remarks = [f"{self.lattice} lattice: {remark}" for remark in remarks]
        return Measurement(metrics, measured, remarks)

    def differences(self, before: Measurement, after: Measurement) -> dict[str, Interval]:
        """Compare every measure, paired by identity."""
        intervals = {}
        for attribute, now in after.detail.items():
            was = before.detail[attribute]
            for logged, measure in MEASURES.items():
                sides = getattr(now, measure), getattr(was, measure)
                intervals[self._name(logged, attribute)] = paired_interval(*sides)
            intervals[self._name("alignment", attribute)] = paired_interval(was.energy, now.energy)
        return intervals

    def unpaired(self, before: Measurement, after: Measurement) -> dict[str, str]:
        """Name the attributes whose energy is defined for other people before than after."""
        found: dict[str, str] = {}
        for attribute, measured in after.detail.items():
            was, now = ~before.detail[attribute].energy.isnan(), ~measured.energy.isnan()
            if bool((was != now).any()):
                where = "" if self.lattice is None else f"{self.lattice} lattice: "
                remark = (
                    f"{where}{attribute}: energy is defined for {int(was.sum())} people before and "
                    f"{int(now.sum())} after; the difference is over the {int((was & now).sum())} "
                    "of both, the columns are not"
                )
                found |= {self._name(name, attribute): remark for name in ENERGY_FIGURES}
        return found

    def identity_differences(self, before: Measurement, after: Measurement) -> ByIdentity:
        """Return the difference of each identity that is defined on both sides."""
        tables: ByIdentity = {}
        for measure in ("energy", "response"):
            table = tables[f"{self._prefix}{measure}"] = {}
            for attribute, found in after.detail.items():
                change: Tensor = getattr(found, measure) - getattr(
                    before.detail[attribute], measure
                )
                table[attribute] = {
                    self.people[person]: value
                    for person, value in zip(
                        found.identities.tolist(), change.tolist(), strict=True
                    )
                    if value == value
                }
        return tables

    def _name(self, measure: str, attribute: str) -> str:
        return f"val/{self._prefix}{measure}/{attribute}"


def _remarks(measured: Mapping[str, LatticeEnergy]) -> list[str]:
    """Say how many curves and identities do not count, and why; a remark for all it is true of."""
    remarks: dict[str, list[str]] = {}
    for attribute, found in measured.items():
        curves = int(found.curves.sum())
        undefined = int(found.energy.isnan().sum())
        for count, text in (
            (int(found.dropped.sum()), f"of {curves} curves have no displacement; left out"),
            (int(found.isolated.sum()), f"of {curves} curves have no neighbour; left out"),
            (undefined, f"of {len(found.energy)} identities have no defined energy; left out"),
        ):
            if count:
                remarks.setdefault(f"{count} {text}", []).append(attribute)
    return [f"{text} ({', '.join(attributes)})" for text, attributes in remarks.items()]
