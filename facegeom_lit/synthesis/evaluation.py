"""The quality of a synthesis, measured: attributes, identity, variety, distribution, copying."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.geometry.distribution_distance import (
    distance_features,
    frechet_distance,
    kernel_distance,
)
from facegeom_lit.geometry.synthesis_quality import (
    curve_cosine,
    identity_consistency,
    nearest_training,
    variety,
)
from facegeom_lit.models.attribute_regressor import AttributeRegressor
from facegeom_lit.synthesis.readings import Readings, read_lattice

Embed = Callable[[FaceSet], Tensor]
"""From a face set to embeddings (N, D) of a model compared by cosine."""


@dataclass(frozen=True, slots=True)
class FaceSets:
    """What one maker made of the recipes of an evaluation.

    Args:
        lattice: Nodes with curves along every measured attribute.
        people: Several images of each of many people.
    """

    lattice: FaceSet
    people: FaceSet


def attribute_quality(readings: Readings) -> dict[str, dict[str, float | None]]:
    """Return by attribute how it follows, how far it answers to a step, and its largest leak."""
    leakage = readings.leakage()
    beside = (leakage - torch.diag(leakage.diagonal())).abs()
    return {
        name: {
            **readings.following(name)._asdict(),
            "response": float(leakage[row, row]),
            "largest_leak": float(beside[row].max()),
        }
        for row, name in enumerate(readings.attributes)
    }


def measure_faces(
    sets: FaceSets,
    names: Sequence[str],
    regressor: AttributeRegressor,
    embed: Embed,
    reference: FaceSet,
    training: FaceSet,
    seed: int = 0,
) -> tuple[dict[str, Any], Readings]:
    """Measure all of what one maker made.

    Args:
        sets: What it made.
        names: The measured attributes.
        regressor: Reads facial attributes.
        embed: The face model.
        reference: Source faces of other people, for the distance of distributions.
        training: Faces that the maker may have learnt from, for the check against copying.
        seed: Of the bootstrap.

    Returns:
        Figures by section, ready for JSON, and the readings.
    """
    readings = read_lattice(sets.lattice, names, regressor)
    people, on_lattice = embed(sets.people), embed(sets.lattice)
    curves = Lattice.from_face_set(sets.lattice, names).curves
    consistency = identity_consistency(people, sets.people.labels, seed=seed)
    features = distance_features(embed(reference)), distance_features(people)
    nearest = nearest_training(people, embed(training))
    measured = {
        "attributes": attribute_quality(readings),
        "curve_cosine": {
            name: float(curve_cosine(on_lattice, curves[name]).mean()) for name in names
        },
        "identity": {
            "auc": consistency.value,
            "auc_low": consistency.low,
            "auc_high": consistency.high,
        },
        "variety": variety(people, sets.people.labels)._asdict(),
        "distribution": {
            "frechet": frechet_distance(*features),
            "kernel": kernel_distance(*features, reference.labels, sets.people.labels),
        },
        "nearest_training": {
            "median": float(nearest.median()),
            "p99": float(nearest.quantile(0.99)),
            "highest": float(nearest.max()),
        },
        "leakage": readings.leakage().tolist(),
        "absolute_leakage": readings.leakage(signed=False).tolist(),
    }
    return measured, readings
