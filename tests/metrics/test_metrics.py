from __future__ import annotations

import copy
import pickle

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine import fit
from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.verification import verify
from facegeom_lit.metrics import AlignmentMetric, AttributeEnergy, VerificationMetrics
from tests.geometry.alignment.test_affine import pairs
from tests.geometry.test_identity_bootstrap import people
from tests.geometry.test_lattice_people import lattice


@pytest.mark.parametrize("neighborhood", ["ball", "knn"])
def test_energy_is_the_mean_over_identities_in_any_batches(neighborhood) -> None:
    embeddings, curves, identity = lattice(4, 12, attributes=("age",))
    metric = AttributeEnergy(neighborhood=neighborhood, radius=0.9)
    for rows in torch.randperm(48).split(7):
        metric.update(embeddings[curves["age"][rows]], identity["age"][rows])
    rule = Neighborhood(neighborhood, radius=0.9)
    expected = lattice_geometry(embeddings, curves, identity, rules=[rule], null_permutations=0)
    measured = metric.compute()
    assert float(measured["energy"]) == pytest.approx(expected.mean("energy", "age"), abs=1e-6)
    assert float(measured["response"]) == pytest.approx(expected.mean("response", "age"), abs=1e-6)
    assert float(measured["alignment"]) == pytest.approx(
        1 - expected.mean("energy", "age"), abs=1e-6
    )
    assert int(measured["curves"]) == 48
    metric.reset()
    with pytest.raises(FaceGeomError, match="no curves"):
        metric.by_identity()


def test_an_undefined_energy_is_absent() -> None:
    metric = AttributeEnergy()
    metric.update(torch.randn(1, 3, 8), torch.zeros(1))
    measured = metric.compute()
    assert "energy" not in measured
    assert int(measured["curves"]) == 1
    with pytest.raises(FaceGeomError, match=r"\(C, 3, D\)"):
        metric.update(torch.randn(2, 2, 8), torch.zeros(2))


def test_verification_equals_the_function() -> None:
    embeddings, labels = people(1.0)
    metric = VerificationMetrics(fars=[0.1, 1e-9])
    for rows in torch.arange(180).split(50):
        metric.update(embeddings[rows], labels[rows])
    expected = verify(embeddings, labels, fars=[0.1])
    measured = metric.compute()
    assert measured.keys() == expected.keys()  # the rate out of reach is absent
    for name, value in expected.items():
        assert float(measured[name]) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("method", ["none", "procrustes", "linear", "ridge", "low_rank"])
def test_alignment_is_the_explained_variance_of_one_fit(method) -> None:
    source, target = pairs()
    groups = torch.arange(200)
    metric = AlignmentMetric(8, 6, method=method)
    for rows in groups.split(30):
        metric.update(source[rows], target[rows], groups[rows])
    fitted = fit(source, target, method=method, groups=groups)
    assert torch.allclose(metric.map().matrix, fitted.matrix, atol=1e-6)
    residual = (fitted(source) - target).square().sum()
    expected = 1 - residual / (target - target.mean(0)).square().sum()
    assert float(metric.compute()) == pytest.approx(float(expected), abs=1e-4)


def test_alignment_batches_copies_and_merges() -> None:
    source, target = pairs()
    groups = torch.arange(200)
    whole = AlignmentMetric(8, 6)
    whole.update(source, target, groups)
    metric = AlignmentMetric(8, 6)
    other = copy.deepcopy(metric)
    for rows in groups[:120].split(50):
        metric(source[rows], target[rows], groups[rows])  # `forward` merges too
    for rows in groups[120:].split(50):
        other.update(source[rows], target[rows], groups[rows])
    assert metric.map().count == 120
    metric.merge_state(pickle.loads(pickle.dumps(other)))
    assert metric.map().count == 200
    assert float(metric.compute()) == pytest.approx(float(whole.compute()), rel=1e-9)
    assert metric.map().ridge == pytest.approx(whole.map().ridge, rel=1e-9)
    metric.update(source, target)  # without identities λ is no longer chosen over them
    assert metric.map().ridge != whole.map().ridge


def test_alignment_errors() -> None:
    metric = AlignmentMetric(8, 6)
    with pytest.raises(FaceGeomError, match="no pairs"):
        metric.map()
    with pytest.raises(FaceGeomError, match=r"must be \(8, 6\), got \(8, 7\)"):
        metric.update(torch.ones(2, 8), torch.ones(2, 7))
    metric.update(torch.randn(9, 8), torch.full((9, 6), 0.1, dtype=torch.float64))
    with pytest.raises(FaceGeomError, match="no variance"):
        metric.compute()
