"""The geometry of every measured attribute, live in validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from facegeom_lit.callbacks.evaluation import (
    ByIdentity,
    EvaluationCallback,
    Measurement,
    distance_of,
)
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.correlation import bin_centres, pooled_correlation
from facegeom_lit.geometry.lattice_geometry import LatticeGeometry, lattice_geometry
from facegeom_lit.geometry.lattice_remarks import lattice_remarks
from facegeom_lit.geometry.neighborhood import Neighborhood, NeighborhoodName
from facegeom_lit.geometry.statistics import Interval, defined_mean, paired_interval
from facegeom_lit.models import FaceModel
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData

MEASURES = {
    "response": "response",
    "response_raw": "response_raw",
    "null": "null_mean",
    "null_z": "null_z",
    "order": "order_parameter",
    "correlation_length": "correlation_length",
    "leakage": "leakage",
}
"""Logged name → field of `AttributeGeometry`, beside the energies."""
ENERGY_FIGURES = ("energy", "alignment", "null", "null_z")
KEY = "callbacks.attribute_geometry"


class AttributeGeometry(EvaluationCallback):
    """Measures a lattice: `val/<measure>/<attribute>` for each attribute with curves.

    A run's further lattices, such as the renderer's exact one beside a diffusion lattice, are
    measured by callbacks of their own, as `val/<lattice>_<measure>/<attribute>`.

    Measures are means over identities: `energy`, `alignment` (1 - energy), `energy_<label>` under
    each further neighbourhood, `response` (mean |v| in units of the identity's spread),
    `response_raw` (mean |v|), `null` (energy of permuted base points), `null_z`, `order` (|mean
    u|), `correlation_length` (in units of the identity's mean distance) and `leakage` (mean |cos|
    with the direction to the nearest other identity; by chance it is `val/leakage_chance`). How
    far two attributes move faces the same way, and the correlation functions, are in its tables.

    Args:
        neighborhood: `ball`, `knn` or `inverse_distance`.
        radius: Of the ball, in units of the identity's mean pair distance.
        k: Neighbours of `knn`.
        include_self: Count a point as its own neighbour, as the published script does.
        null_permutations: Permutations of the null, per identity and attribute.
        lattice: Name of a further lattice; one that the run does not have is not measured. None:
            the run's own.
        further: More neighbourhoods, each as the arguments of `Neighborhood`, such as
            `{"name": "knn", "k": 5}`.

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
        further: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__()
        self.lattice = lattice
        if lattice is not None:
            self.kind = f"{lattice}_{self.kind}"
        self._prefix = "" if lattice is None else f"{lattice}_"
        if type(null_permutations) is not int or null_permutations < 0:
            raise FaceGeomError(
                f"{KEY}.null_permutations must be a whole number ≥ 0, got {null_permutations!r}."
            )
        try:
            main = Neighborhood(neighborhood, radius=radius, k=k, include_self=include_self)
        except FaceGeomError as error:
            raise FaceGeomError(f"{KEY}: {error}") from None
        self.rules = (main, *_further(further))
        labels = [rule.label for rule in self.rules]
        if len(set(labels)) < len(labels):
            raise FaceGeomError(
                f"{KEY}.further names a neighbourhood twice: {', '.join(labels)} are measured. "
                "Leave one out."
            )
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
        """Measure every attribute; the detail is a `LatticeGeometry`, or None without curves."""
        if not self._curves:
            return Measurement({}, None)
        measured = lattice_geometry(
            module.embeddings(self._set),
            self._curves,
            self._identity,
            rules=self.rules,
            distance=distance_of(module),
            null_permutations=self.null_permutations,
        )
        metrics: dict[str, float | None] = {}
        for attribute in measured.attributes:
            for logged, values in self._values(measured, attribute).items():
                metrics[self._name(logged, attribute)] = defined_mean(values)
        metrics[f"val/{self._prefix}leakage_chance"] = measured.chance_leakage
        remarks = lattice_remarks(measured)
        if self.lattice is not None:
            remarks = [f"{self.lattice} lattice: {remark}" for remark in remarks]
        tables = {f"{self._prefix}{name}": table for name, table in _tables(measured).items()}
        return Measurement(metrics, measured, remarks, tables)

    def differences(self, before: Measurement, after: Measurement) -> dict[str, Interval]:
        """Compare every measure, paired by identity."""
        intervals = {}
        for attribute in self._curves:
            was, now = (self._values(found.detail, attribute) for found in (before, after))
            for logged, values in now.items():
                intervals[self._name(logged, attribute)] = paired_interval(values, was[logged])
        return intervals

    def unpaired(self, before: Measurement, after: Measurement) -> dict[str, str]:
        """Name the attributes whose energy is defined for other people before than after."""
        found: dict[str, str] = {}
        for attribute in self._curves:
            was, now = (
                ~found.detail.values("energy", attribute).isnan() for found in (before, after)
            )
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
            for attribute in self._curves:
                now, was = (found.detail.values(measure, attribute) for found in (after, before))
                table[attribute] = {
                    self.people[person]: value
                    for person, value in zip(
                        after.detail.identities.tolist(), (now - was).tolist(), strict=True
                    )
                    if value == value
                }
        return tables

    def _values(self, measured: LatticeGeometry, attribute: str) -> dict[str, Tensor]:
        """One number an identity, by logged name."""
        energy = measured.values("energy", attribute)
        values = {"energy": energy, "alignment": 1 - energy}
        for rule in measured.rules[1:]:
            values[f"energy_{rule}"] = measured.values("energy", attribute, rule)
        return values | {
            logged: measured.values(name, attribute) for logged, name in MEASURES.items()
        }

    def _name(self, measure: str, attribute: str) -> str:
        return f"val/{self._prefix}{measure}/{attribute}"


def _further(entries: Sequence[Mapping[str, Any]]) -> list[Neighborhood]:
    """The further neighbourhoods of the configuration."""
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise FaceGeomError(
            f"{KEY}.further must be a list of neighbourhoods, such as [{{name: knn, k: 5}}], got "
            f"{entries!r}."
        )
    rules = []
    for index, entry in enumerate(entries):
        try:
            rules.append(Neighborhood(**entry))
        except (TypeError, FaceGeomError) as error:
            raise FaceGeomError(
                f"{KEY}.further[{index}] must be the arguments of a neighbourhood, such as "
                f"{{name: knn, k: 5}}, got {entry!r}: {error}"
            ) from None
    return rules


def _tables(measured: LatticeGeometry) -> dict[str, Any]:
    """The interaction matrix and the correlation functions, for the record."""
    mean = measured.mean_interaction()
    correlations = {
        name: pooled_correlation(found.correlation, found.correlation_pairs)
        for name, found in measured.by_attribute.items()
    }
    bins = len(next(iter(correlations.values())))
    return {
        "interaction": {
            name: dict(zip(measured.attributes, _defined(row), strict=True))
            for name, row in zip(measured.attributes, mean, strict=True)
        },
        "correlation": {
            "distance": bin_centres(bins, measured.reach).tolist(),
            "by_attribute": {name: _defined(values) for name, values in correlations.items()},
        },
    }


def _defined(values: Tensor) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
