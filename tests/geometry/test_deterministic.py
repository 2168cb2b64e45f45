"""`trainer.deterministic=true` refuses operations that a device cannot repeat: none is used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.macroscale import macroscale_table
from facegeom_lit.geometry.macroscale.outliers import find_inliers
from facegeom_lit.geometry.microscale import field_geometries
from facegeom_lit.geometry.neighborhood import Neighborhood
from tests.geometry.test_energy import cloud
from tests.geometry.test_lattice_people import lattice

RULES = (
    Neighborhood("ball", radius=0.9),
    Neighborhood("ball", radius=0.9, max_neighbors=5),
    Neighborhood("knn", k=4),
    Neighborhood("inverse_distance"),
)


@pytest.fixture(params=["cpu"] + ["cuda"] * torch.cuda.is_available())
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as Lightning sets it
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield request.param
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("curves", [60, 700])  # whole matrices, and blocks
def test_fields(device: str, curves: int) -> None:
    base, field = cloud(curves)
    expected = field_geometries(base, {"a": field}, RULES)["a"]
    found = field_geometries(base.to(device), {"a": field.to(device)}, RULES)["a"]
    for label, energy in expected.energies.items():
        assert found.energies[label].energy == pytest.approx(energy.energy, abs=1e-5)
    assert (found.correlation_pairs - expected.correlation_pairs).abs().max() <= 4


def test_a_lattice(device: str) -> None:
    embeddings, curves, identity = lattice(3, 12)
    expected = lattice_geometry(embeddings, curves, identity, rules=RULES)
    found = lattice_geometry(embeddings.to(device), curves, identity, rules=RULES)
    for attribute in curves:
        for measure in ("energy", "response", "null_mean", "leakage"):
            values = found.values(measure, attribute)
            assert values.tolist() == pytest.approx(
                expected.values(measure, attribute).tolist(), abs=1e-5, nan_ok=True
            )


def test_a_macroscale(device: str) -> None:
    g = torch.Generator().manual_seed(0)
    people = torch.arange(200) % 40
    points = torch.randn(200, 8, generator=g)
    values: dict[str, Tensor] = {"with": people % 2, "age": torch.rand(200, generator=g)}
    options = {"draws": 2, "bootstrap": 20, "permutations": 9}
    expected = macroscale_table(points, people, values, **options)  # type: ignore[arg-type]
    # Labels may stay where they were read.
    found = macroscale_table(points.to(device), people, values, **options)  # type: ignore[arg-type]
    for name in ("ks_mean", "ks_null", "intra_entropy", "inter_high", "distance_correlation"):
        assert found.figures(name).tolist() == pytest.approx(
            expected.figures(name).tolist(), abs=1e-9, nan_ok=True
        )
    kept = find_inliers(points.to(device), people)
    assert torch.equal(kept.mask.cpu(), find_inliers(points, people).mask)
