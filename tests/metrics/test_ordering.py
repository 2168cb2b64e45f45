from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.metrics import AttributeEnergy, AttributeMacroscale
from facegeom_lit.metrics.ordering import settled_order


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_order_of_arrival_does_not_show(dtype) -> None:
    g = torch.Generator().manual_seed(0)
    rows = torch.randn(400, 12, generator=g).to(dtype)
    rows[100:120] = rows[200:220]  # equal ones are told apart by their labels
    labels = torch.arange(400) % 50
    mixed = torch.randperm(400, generator=g)
    first, second = settled_order(rows, labels), settled_order(rows[mixed], labels[mixed])
    assert torch.equal(rows[first], rows[mixed][second])
    assert torch.equal(labels[first], labels[mixed][second])


def test_nor_in_a_null_of_half_precision() -> None:
    g = torch.Generator().manual_seed(0)
    curves = torch.randn(300, 3, 8, generator=g).bfloat16()
    people, mixed = torch.arange(300) % 2, torch.randperm(300, generator=g)
    found = []
    for order in (torch.arange(300), mixed):
        metric = AttributeEnergy(null_permutations=3)
        metric.update(curves[order], people[order])
        found.append({name: float(value) for name, value in metric.compute().items()})
    assert found[0] == pytest.approx(found[1], abs=1e-9)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"distance": "manhattan"}, "`distance`"),
        ({"null_permutations": -1}, "`null_permutations`"),
        ({"further": [Neighborhood()]}, "twice"),
    ],
)
def test_bad_arguments_of_an_energy_are_named_before_any_curve(choice, message) -> None:
    with pytest.raises(FaceGeomError, match=message):
        AttributeEnergy(**choice)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"per_modality": 1}, "`per_modality`"),
        ({"draws": 0}, "`draws`"),
        ({"probes": "person"}, "`probes`"),
    ],
)
def test_bad_arguments_of_a_macroscale_are_named_before_any_image(choice, message) -> None:
    with pytest.raises(FaceGeomError, match=message):
        AttributeMacroscale(["age"], **choice)
