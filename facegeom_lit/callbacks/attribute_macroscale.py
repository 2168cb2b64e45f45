"""How attributes show in the distances between people, live in validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from facegeom_lit.callbacks.evaluation import (
    EvaluationCallback,
    Measurement,
    distance_of,
)
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale import AttributeRow, Macroscale, macroscale_table
from facegeom_lit.geometry.macroscale.modalities import modalities
from facegeom_lit.geometry.macroscale.probes import FoldsBy
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.models import FaceModel
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData

KEY = "callbacks.attribute_macroscale"
MEASURES = {
    "ks": "ks_mean",
    "distance_correlation": "distance_correlation",
    "probe": "probe_balanced_accuracy",
}
"""Logged name → field of `AttributeRow`."""


class AttributeMacroscale(EvaluationCallback):
    """Measures the verification set, where its faces carry attribute values.

    Logs `val/macro_ks/<attribute>` (mean of the KS statistics of both modalities, over the
    draws), `val/macro_distance_correlation/<attribute>` of attributes with many values, with
    probes `val/macro_probe/<attribute>` (balanced accuracy), and `val/macro_spearman/<entropy>`,
    the rank correlation of the KS with an entropy over the attributes. Everything else is in its
    table. The same images are drawn in every validation, so that figures before and after are
    paired; a KS statistic has no value for a single person, and so no interval over people.

    Args:
        per_modality: At most so many people with an attribute, and as many without.
        draws: How often one image of each is drawn anew.
        probes: Folds of the probes, `identity` or `image`; None: no probes, which take seconds.

    Raises:
        FaceGeomError: When an argument is out of range.
    """

    kind = "macroscale"

    def __init__(
        self, per_modality: int = 500, draws: int = 4, probes: FoldsBy | None = None
    ) -> None:
        super().__init__()
        if per_modality < 2 or draws < 1:
            raise FaceGeomError(
                f"{KEY}: per_modality must be at least 2 and draws at least 1, got "
                f"{per_modality}, {draws}."
            )
        if probes is not None and probes not in get_args(FoldsBy):
            raise FaceGeomError(
                f"{KEY}.probes must be null or one of {', '.join(get_args(FoldsBy))}, got "
                f"{probes!r}."
            )
        self.per_modality = per_modality
        self.draws = draws
        self.probes = probes

    def connect(self, data: RunData, references: Mapping[str, FaceModel], cache: Path) -> None:
        """Take the verification set's people, and the attributes that vary in it."""
        self._set = data.verification_set
        faces = data.evaluation[self._set]
        self._labels = faces.labels
        values = {name: faces.attribute(name) for name in faces.attributes}
        self._attributes = {
            name: found for name, found in values.items() if modalities(found) is not None
        }

    def measure(self, module: FineTuneModule) -> Measurement:
        """Measure every attribute; the detail is a `Macroscale`, or None without attributes."""
        if not self._attributes:
            return Measurement(
                {}, None, [f"{self._set}: no attribute varies; the macroscale is not measured"]
            )
        table = macroscale_table(
            module.embeddings(self._set),
            self._labels,
            self._attributes,
            distance=distance_of(module),
            per_modality=self.per_modality,
            draws=self.draws,
            null=False,
            bootstrap=0,
            permutations=0,
            probes=self.probes,
        )
        metrics: dict[str, float | None] = {}
        for row in table.rows:
            for logged, name in MEASURES.items():
                if _asked(row, logged, self.probes):
                    metrics[f"val/macro_{logged}/{row.attribute}"] = getattr(row, name)
        for (ks, entropy), found in table.spearman.items():
            if ks == "ks_mean":
                metrics[f"val/macro_spearman/{entropy}"] = found.rho
        tables = {"macroscale": {row.attribute: vars(row) for row in table.rows}}
        return Measurement(metrics, table, _remarks(self._set, table), tables)

    def differences(self, before: Measurement, after: Measurement) -> dict[str, Interval]:
        """Return none: the record's plain differences stand."""
        return {}


def _asked(row: AttributeRow, logged: str, probes: FoldsBy | None) -> bool:
    """Whether a figure exists for this kind of attribute, even where it is undefined."""
    if logged == "distance_correlation":
        return row.kind == "continuous"
    return logged != "probe" or probes is not None


def _remarks(name: str, table: Macroscale) -> list[str]:
    """Say which figures are undefined, and why; a remark for all attributes it is true of."""
    remarks: dict[str, list[str]] = {}
    for row in table.rows:
        if row.remark:
            remarks.setdefault(row.remark, []).append(row.attribute)
    return [f"{name}: {text} ({', '.join(attributes)})" for text, attributes in remarks.items()]
