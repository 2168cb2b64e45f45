from __future__ import annotations

import pytest
import torch
from matplotlib import pyplot as plt

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.metrics import AttributeEnergy, AttributeInteraction
from facegeom_lit.metrics.attribute_energy import MEASURES
from tests.geometry.test_energy import DISTANCES
from tests.geometry.test_lattice_people import lattice

FURTHER = (Neighborhood("knn", k=4), Neighborhood("inverse_distance"))


def taken(distance="cosine", permutations: int = 0) -> AttributeEnergy:
    embeddings, curves, identity = lattice(4, 12, attributes=("age",))
    metric = AttributeEnergy(distance, radius=0.9, further=FURTHER, null_permutations=permutations)
    for rows in torch.randperm(48).split(7):
        metric.update(embeddings[curves["age"][rows]], identity["age"][rows])
    return metric


@pytest.mark.parametrize("distance", DISTANCES)
def test_every_measure_is_the_mean_over_identities(distance) -> None:
    embeddings, curves, identity = lattice(4, 12, attributes=("age",))
    rules = (Neighborhood("ball", radius=0.9), *FURTHER)
    expected = lattice_geometry(
        embeddings, curves, identity, rules=rules, distance=distance, null_permutations=5
    )
    measured = taken(distance, 5).compute()
    again = taken(distance, 5).compute()
    assert {k: float(v) for k, v in again.items()} == pytest.approx(
        {k: float(v) for k, v in measured.items()}, abs=1e-6
    )  # whatever the order of the curves
    for key, name in MEASURES.items():
        if key in ("null", "null_z"):
            continue  # its permutations follow the curves, not their rows
        assert float(measured[key]) == pytest.approx(expected.mean(name, "age"), abs=1e-5)
    for rule in expected.rules[1:]:
        energy = expected.mean("energy", "age", rule)
        assert float(measured[f"energy/{rule}"]) == pytest.approx(energy, abs=1e-6)
    assert "null" not in taken(distance).compute()


def test_its_plot_shows_a_point_for_each_identity() -> None:
    metric = taken()
    figure, axis = metric.plot()
    points = [line for line in axis.lines if line.get_marker() == "_"]
    assert [len(line.get_xdata()) for line in points] == [4, 4, 4]
    assert [t.get_text() for t in axis.get_xticklabels()] == [r.label for r in metric.rules]
    again, same = metric.plot(ax=axis)
    assert (again, same) == (figure, axis)
    plain, _ = metric.plot([metric.compute(), metric.compute()])  # over steps, as any metric
    plt.close(figure)
    plt.close(plain)


def nodes(attributes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    names = tuple("abc"[:attributes])
    embeddings, _, identity = lattice(4, 12, attributes=names)
    return embeddings.view(48, 1 + 2 * attributes, -1), identity["a"]


def test_interaction_is_the_mean_matrix_over_identities() -> None:
    given, owners = nodes()
    metric = AttributeInteraction(["a", "b", "c"])
    for rows in torch.arange(48).split(7):
        metric.update(given[rows], owners[rows])
    expected = lattice_geometry(*lattice(4, 12, attributes=("a", "b", "c")))
    measured = metric.compute()
    assert torch.allclose(measured, expected.mean_interaction(), atol=1e-6)
    figure, axis = metric.plot()
    assert torch.allclose(torch.as_tensor(axis.images[0].get_array()), measured)
    assert [t.get_text() for t in axis.get_yticklabels()] == ["a", "b", "c"]
    plt.close(figure)


def test_bad_nodes_are_refused() -> None:
    metric = AttributeInteraction(["a", "b"])
    with (
        pytest.warns(UserWarning, match="before the ``update``"),
        pytest.raises(FaceGeomError, match="no nodes"),
    ):
        metric.compute()
    with pytest.raises(FaceGeomError, match=r"\(B, 5, D\)"):
        metric.update(*nodes())
    with pytest.raises(FaceGeomError, match="each once"):
        AttributeInteraction(["a", "a"])
