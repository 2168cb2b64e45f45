from __future__ import annotations

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.analysis import Analysis
from facegeom_lit.evaluation.lattices import LatticeCurves
from facegeom_lit.evaluation.microscale import (
    MEASURES,
    MicroscaleSettings,
    Resampling,
    measure_microscale,
)
from facegeom_lit.evaluation.rules import rules_named
from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.statistics import bootstrap_interval

PEOPLE, NODES, D = 8, 12, 16
RULES = ["ball_0.8", "knn_5", "inverse_distance"]
SETTINGS = MicroscaleSettings(rules_named(RULES), null_permutations=5)


def lattice(seed: int = 0, noise: float = 0.3) -> tuple[torch.Tensor, LatticeCurves]:
    """Raw embeddings of a lattice: `same` moves along one direction, `any` along random ones."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.randn(PEOPLE, 1, D, generator=g) * 2
    middle = centres + 0.5 * torch.randn(PEOPLE, NODES, D, generator=g)
    one = torch.nn.functional.one_hot(torch.tensor(0), D).float()
    noisy = one + noise * torch.randn(PEOPLE, NODES, D, generator=g)
    steps = {"same": 0.3 * noisy, "any": 0.3 * torch.randn(PEOPLE, NODES, D, generator=g)}
    images, rows, identity = [middle.reshape(-1, D)], {}, {}
    count = PEOPLE * NODES
    for name, step in steps.items():
        start = sum(map(len, images))
        images += [(middle - step).reshape(-1, D), (middle + step).reshape(-1, D)]
        at = torch.arange(count)
        rows[name] = torch.stack([start + at, at, start + count + at], dim=1)
        identity[name] = torch.arange(PEOPLE).repeat_interleave(NODES)
    names = tuple(f"p{i}" for i in range(PEOPLE))
    return torch.cat(images), LatticeCurves(rows, identity, names)


def test_figures_are_means_over_people_with_intervals() -> None:
    embeddings, curves = lattice()
    found = measure_microscale(embeddings, curves, "cosine", SETTINGS)
    assert found.main == "ball_0.8"
    assert found.people == curves.people
    figures = found.figures["same"]
    assert list(figures) == [*(f"energy/{rule}" for rule in RULES), "alignment", *MEASURES]
    nearest = Neighborhood("knn", k=5)
    reference = lattice_geometry(
        embeddings, curves.rows, curves.identity, rules=[nearest], null_permutations=0
    )
    expected = bootstrap_interval(reference.values("energy", "same"), resamples=1000)
    assert figures["energy/knn_5"].value == pytest.approx(expected.value, abs=1e-6)
    assert figures["energy/knn_5"].low == pytest.approx(expected.low, abs=1e-6)
    main = figures["energy/ball_0.8"].value
    assert main is not None
    assert figures["alignment"].value == pytest.approx(1 - main)
    other = found.figures["any"]["energy/ball_0.8"].value
    assert other is not None
    assert main < 0.7 < other  # along one direction, and along random ones
    assert found.interaction["mean"].shape == (2, 2)
    assert float(found.interaction["mean"][0, 1]) == pytest.approx(1, abs=0.2)
    low, high = found.interaction["low"][0, 1], found.interaction["high"][0, 1]
    assert low < found.interaction["mean"][0, 1] < high


def test_models_and_attributes_are_compared() -> None:
    embeddings, curves = lattice()
    noisy, _ = lattice(noise=3.0)
    found = {
        name: measure_microscale(points, curves, "cosine", SETTINGS)
        for name, points in (("sharp", embeddings), ("blunt", noisy))
    }
    analysis = Analysis("lattice", found, {})
    by_attribute = {test.group: test for test in analysis.between_models("energy")}
    assert list(by_attribute) == ["same", "any"]
    same = by_attribute["same"]
    assert (same.first, same.second) == ("sharp", "blunt")
    assert same.mann_whitney is not None
    assert same.mann_whitney.stars
    assert same.mann_whitney.corrected == pytest.approx(2 * same.mann_whitney.p)  # two tests
    assert same.difference.value is not None
    assert same.difference.value > 0.1
    by_model = {test.group: test for test in analysis.between_attributes("energy")}
    assert by_model["sharp"].mann_whitney is not None
    assert by_model["sharp"].mann_whitney.stars


def test_what_is_left_out_is_said() -> None:
    embeddings, curves = lattice()
    still = curves.rows["any"][0]
    embeddings[still[2]] = embeddings[still[0]]  # a curve that does not move
    found = measure_microscale(embeddings, curves, "cosine", SETTINGS)
    assert f"1 of {PEOPLE * NODES} curves have no displacement; left out (any)" in found.notes
    assert Analysis("s", {"m": found}, {}, notes=("set",)).remarks[:2] == (
        "set",
        f"m: {found.notes[0]}",
    )


def test_one_person_has_figures_but_no_interval_nor_leakage() -> None:
    embeddings, curves = lattice()
    rows = {name: found[:NODES] for name, found in curves.rows.items()}
    identity = {name: found[:NODES] for name, found in curves.identity.items()}
    alone = LatticeCurves(rows, identity, curves.people)
    found = measure_microscale(embeddings, alone, "cosine", SETTINGS)
    energy, leakage = found.figures["same"]["energy/knn_5"], found.figures["same"]["leakage"]
    assert energy.value is not None
    assert (energy.low, energy.count) == (None, 1)
    assert (leakage.value, leakage.count) == (None, 0)
    assert alone.remarks == ("one person: nothing can be said of others, nor of identity leakage",)


def test_damaged_and_dead_embeddings_are_refused() -> None:
    embeddings, curves = lattice()
    damaged = embeddings.clone()
    damaged[3] = torch.nan
    with pytest.raises(FaceGeomError, match="NaN or infinity in 1 of"):
        measure_microscale(damaged, curves, "cosine", SETTINGS)
    with pytest.raises(FaceGeomError, match="No identity has an energy"):
        measure_microscale(torch.ones_like(embeddings), curves, "cosine", SETTINGS)


def test_resampling_of_a_few_people() -> None:
    interval = Resampling(200, 0.9, 1).interval(torch.arange(10.0))
    assert interval.low is not None
    assert 2 < interval.low < 4.5
