from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from callbacks.known import KnownEmbeddings
from torch import Tensor

from facegeom_lit.callbacks.attribute_geometry import AttributeGeometry
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.energy import attribute_energy
from facegeom_lit.geometry.leakage import chance_leakage
from facegeom_lit.training.sources import RunData


def measured(data: RunData, embeddings: Tensor, **choices: object) -> AttributeGeometry:
    callback = AttributeGeometry(**choices)  # type: ignore[arg-type]
    callback.connect(data, {}, Path())
    callback._latest = callback.measure(KnownEmbeddings({"judge": embeddings}))  # type: ignore[arg-type]
    return callback


def test_logged_energy_is_the_mean_of_the_identities_own(data: RunData, embeddings: Tensor) -> None:
    metrics = measured(data, embeddings, neighborhood="knn", k=3).latest.metrics
    points = torch.nn.functional.normalize(embeddings, dim=1)
    curves, names = data.lattice.curves["illumination"], data.lattice.identity["illumination"]
    energies = []
    for person in sorted(set(names)):
        rows = curves[[name == person for name in names]]
        base, field = points[rows[:, 1]], points[rows[:, 2]] - points[rows[:, 0]]
        energies.append(attribute_energy(base, field, neighborhood="knn", k=3).energy)
    mean = sum(e for e in energies if e is not None) / len(energies)
    assert metrics["val/energy/illumination"] == pytest.approx(mean, abs=1e-6)
    assert metrics["val/alignment/illumination"] == pytest.approx(1 - mean, abs=1e-6)


def test_a_common_direction_has_little_energy_and_noise_has_much(
    data: RunData, embeddings: Tensor
) -> None:
    noise = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(2))
    aligned = measured(data, embeddings, neighborhood="knn", k=3).latest.metrics
    disordered = measured(data, noise, neighborhood="knn", k=3).latest.metrics
    assert aligned["val/energy/illumination"] < 0.1  # type: ignore[operator]
    assert disordered["val/energy/illumination"] > 0.6  # type: ignore[operator]


def test_undefined_is_none_with_a_remark_and_never_nan(data: RunData, embeddings: Tensor) -> None:
    constant = torch.ones_like(embeddings)
    found = measured(data, constant, neighborhood="knn").latest
    assert found.metrics["val/energy/illumination"] is None
    assert all(v is None or math.isfinite(v) for v in found.metrics.values())
    assert any("no displacement" in note for note in found.notes)


def test_differences_are_paired_by_identity(data: RunData, embeddings: Tensor) -> None:
    before = measured(data, embeddings)
    after = measured(data, embeddings + 0.05 * torch.randn(embeddings.shape))
    change = before.differences(before.latest, before.latest)
    assert all(i.value in (None, 0.0) for i in change.values())
    tables = after.identity_differences(before.latest, after.latest)
    change = after.differences(before.latest, after.latest)
    values = tables["response"]["illumination"].values()
    assert change["val/response/illumination"].value == pytest.approx(sum(values) / len(values))


def test_further_neighbourhoods_are_measured_beside_the_main_one(
    data: RunData, embeddings: Tensor
) -> None:
    further = [{"name": "knn", "k": 3}, {"name": "inverse_distance"}]
    metrics = measured(data, embeddings, further=further).latest.metrics
    alone = measured(data, embeddings, neighborhood="knn", k=3).latest.metrics
    assert metrics["val/energy_knn_3/illumination"] == alone["val/energy/illumination"]
    assert metrics["val/energy_inverse_distance/illumination"] is not None


def test_every_measure_of_a_common_direction(data: RunData, embeddings: Tensor) -> None:
    found = measured(data, embeddings).latest
    assert found.metrics["val/order/illumination"] > 0.9  # type: ignore[operator]
    assert found.metrics["val/leakage_chance"] == pytest.approx(chance_leakage(8))
    assert 0 < found.metrics["val/leakage/illumination"] < 1  # type: ignore[operator]
    assert "val/correlation_length/illumination" in found.metrics
    assert found.tables["interaction"] == {"illumination": {"illumination": 0.0}}
    assert len(found.tables["correlation"]["distance"]) == 20
    json.dumps(found.tables, allow_nan=False)


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "cube"},
        {"name": "knn", "k": 0},
        {"name": "knn", "k": 2.5},
        {"nearest": 3},
        {"name": "ball"},
        "knn",
        5,
    ],
)
def test_bad_further_neighbourhoods_name_their_key(entry: Any) -> None:
    with pytest.raises(FaceGeomError, match=r"callbacks\.attribute_geometry\.further"):
        AttributeGeometry(further=[entry])
    with pytest.raises(FaceGeomError, match=r"callbacks\.attribute_geometry\.further"):
        AttributeGeometry(further=entry)  # no list


@pytest.mark.parametrize("choice", [{"neighborhood": "cube"}, {"radius": 0}, {"k": "ten"}])
def test_bad_values_name_their_key(choice: dict[str, object]) -> None:
    with pytest.raises(FaceGeomError, match=r"callbacks\.attribute_geometry"):
        AttributeGeometry(**choice)  # type: ignore[arg-type]


def test_a_further_lattice_is_measured_under_its_own_name(
    data: RunData, embeddings: Tensor
) -> None:
    both = replace(data, further_lattices={"judge": data.lattice})
    first = measured(both, embeddings, neighborhood="knn", k=3)
    second = measured(both, embeddings, neighborhood="knn", k=3, lattice="judge")
    assert (first.kind, second.kind) == ("geometry", "judge_geometry")
    assert second.latest.metrics == {
        name.replace("val/", "val/judge_"): value for name, value in first.latest.metrics.items()
    }
    tables = second.identity_differences(second.latest, second.latest)
    assert set(tables) == {"judge_energy", "judge_response"}


def test_a_lattice_that_the_run_does_not_have_is_not_measured(
    data: RunData, embeddings: Tensor
) -> None:
    absent = measured(data, embeddings, lattice="exact")
    assert absent.latest.metrics == {}
    assert absent.differences(absent.latest, absent.latest) == {}
    assert absent.unpaired(absent.latest, absent.latest) == {}
