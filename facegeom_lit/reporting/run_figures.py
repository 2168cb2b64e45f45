"""Every picture of one run, from its faces and its two measurements."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from facegeom_lit.attributes import AttributeSpec
from facegeom_lit.callbacks.attribute_geometry import AttributeGeometry
from facegeom_lit.callbacks.cross_model_alignment import TO, TUNED, Aligned, CrossModelAlignment
from facegeom_lit.callbacks.evaluation import Measurement
from facegeom_lit.callbacks.verification import Verification
from facegeom_lit.evaluation.alignment.ladders import ANCHORS, RANK
from facegeom_lit.geometry.interaction import interaction_intervals
from facegeom_lit.geometry.lattice_geometry import LatticeGeometry
from facegeom_lit.reporting.energy_figures import attribute_figure, violin_figure
from facegeom_lit.reporting.interaction_figure import Interaction, interaction_figure
from facegeom_lit.reporting.lattice_figure import lattice_figure
from facegeom_lit.reporting.run_alignment_figures import alignment_figure, curves_figure
from facegeom_lit.reporting.training_faces_figure import training_faces_figure
from facegeom_lit.reporting.training_figure import read_metrics, training_figure
from facegeom_lit.reporting.verification_figure import Curve, roc_figure
from facegeom_lit.training.sources import RunData

Models = Mapping[str, Mapping[str, Measurement]]
"""Model's name (before, after) → kind of measurement → measurement."""


def draw_run(folder: Path, data: RunData, target: AttributeSpec | None, models: Models) -> None:
    """Write `figures/*.png` of a run.

    Args:
        folder: The run's folder; its CSV tables are read for the training curves.
        data: The run's faces.
        target: The targeted attribute, or None.
        models: Measurements before (where there is a baseline) and after.
    """
    figures = folder / "figures"
    name = target.name if target else None
    lattice_figure(figures / "lattice.png", data.lattice)
    for further, lattice in data.further_lattices.items():
        lattice_figure(figures / f"{further}_lattice.png", lattice)
    training_faces_figure(figures / "training_faces.png", data.train, name)
    series = read_metrics(folder / "csv")
    training_figure(figures / "training.png", series, name, data.verification_set)
    for prefix in ("", *(f"{further}_" for further in data.further_lattices)):
        if found := _of_kind(models, f"{prefix}{AttributeGeometry.kind}"):
            _draw_geometry(figures, prefix, found, name)
    if found := _of_kind(models, Verification.kind):
        curves = {model: _roc(m) for model, m in found.items()}
        roc_figure(figures / "verification.png", curves, data.verification_set)
    if found := _of_kind(models, CrossModelAlignment.kind):
        aligned: dict[str, Aligned] = {model: m.detail for model, m in found.items()}
        alignment_figure(figures / "alignment.png", {m: _rank1(a) for m, a in aligned.items()})
        ladders = {model: a.ladders for model, a in aligned.items()}
        for kind in (RANK, ANCHORS):
            curves_figure(figures / f"alignment_{kind}.png", ladders, kind)


def _draw_geometry(
    figures: Path, prefix: str, found: Mapping[str, Measurement], target: str | None
) -> None:
    """Draw what one lattice says of every attribute."""
    energies = {model: _values(m, "energy") for model, m in found.items()}
    panels = {
        "energy (1 = no common direction)": energies,
        "response (in units of the identity's spread)": {
            model: _values(m, "response") for model, m in found.items()
        },
        "plain response: mean |v|": {
            model: _values(m, "response_raw") for model, m in found.items()
        },
    }
    attribute_figure(figures / f"{prefix}attributes.png", panels, target)
    violin_figure(figures / f"{prefix}energy_violins.png", energies, target)
    geometries: dict[str, LatticeGeometry] = {model: m.detail for model, m in found.items()}
    interactions = {
        model: Interaction(*interaction_intervals(geometry.interaction))
        for model, geometry in geometries.items()
    }
    attributes = next(iter(geometries.values())).attributes
    if len(attributes) > 1:
        interaction_figure(figures / f"{prefix}interaction.png", attributes, interactions)


def _of_kind(models: Models, kind: str) -> dict[str, Measurement]:
    return {name: found[kind] for name, found in models.items() if kind in found}


def _values(measurement: Measurement, measure: str) -> dict[str, Tensor]:
    found: LatticeGeometry = measurement.detail
    return {name: found.values(measure, name) for name in found.attributes}


def _roc(measurement: Measurement) -> Curve:
    """Return false and true accept rates at every score, thinned to what a figure can show."""
    found = measurement.detail
    hits = found.same[found.scores.argsort(descending=True)].double()
    tar, far = hits.cumsum(0) / hits.sum(), (1 - hits).cumsum(0) / (1 - hits).sum()
    # Evenly in log rank: the left of a logarithmic axis needs every point, the right few.
    kept = torch.logspace(0, float(torch.tensor(len(far)).log10()), 2000).long().clamp(1) - 1
    kept = kept.unique()
    return far[kept].numpy(), tar[kept].numpy()


def _rank1(aligned: Aligned) -> dict[tuple[str, str], dict[str, float | None]]:
    """Return rank-1 by (model of the probes, model of the gallery) and map."""
    rows: dict[tuple[str, str], dict[str, float | None]] = {}
    for (reference, kind, direction), judged in aligned.judged.items():
        pair = (TUNED, reference) if direction == TO else (reference, TUNED)
        rows.setdefault(pair, {})[kind] = judged.value("rank1")
    return rows
