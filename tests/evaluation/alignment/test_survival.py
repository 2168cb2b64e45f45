from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluation.alignment.made_models import FAST

from facegeom_lit.evaluation.alignment.maps import MapChoice
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import Survival
from facegeom_lit.evaluation.alignment.section_settings import SurvivalSettings
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.survival import survival, survival_notes
from facegeom_lit.evaluation.attribute_sets import LabelledAttributes
from facegeom_lit.evaluation.lattices import LatticeCurves
from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.points import Distance

MAPS = (
    MapChoice("plain", "procrustes", bias=False),
    MapChoice("centred", "procrustes"),
    MapChoice("ridge", "ridge"),
)


def curved_set(distance: Distance = "cosine") -> AlignmentSet:
    """16 people with 10 curves, seen by a model, a rotation of it, and an unrelated one."""
    people, curves = 16, 10
    g = np.random.default_rng(3)
    owner = np.repeat(np.arange(people), 3 * curves)
    nodes = np.repeat(g.normal(size=(people * curves, 2)), 3, axis=0)
    step = np.tile([-1.0, 0.0, 1.0], people * curves)[:, None]

    def model() -> np.ndarray:
        within = np.concatenate([nodes, nodes.sum(1, keepdims=True) + 0.2 * step], axis=1)
        base = 2 * g.normal(size=(people, 6))[owner] + 0.4 * within @ g.normal(size=(3, 6))
        return base + 0.1 * step * (1 + nodes @ g.normal(size=(2, 6))) + 1.0

    one, other = model(), model()
    turn = np.linalg.qr(g.normal(size=(6, 6)))[0]
    rows = torch.arange(len(owner)).reshape(-1, 3)
    labels = torch.from_numpy(owner)
    data = AlignmentSet(
        "curved",
        labels,
        tuple(f"p{i}" for i in range(people)),
        fit_share=0.5,
        settings=FAST.judge,
        seed=0,
        labelled=LabelledAttributes(
            labels,
            {
                "wide": torch.from_numpy((one[:, 0] > np.median(one[:, 0])).astype(np.float32)),
                "rare": (labels == 0).float(),
            },
        ),
        curves=LatticeCurves({"light": rows}, {"light": labels[rows[:, 0]]}, ()),
    )
    for name, points in (("one", one), ("turned", one @ turn), ("other", other)):
        data.add(name, torch.from_numpy(points), distance)
    return data


def followed(data: AlignmentSet, target: str, of_map: str) -> dict[str, Survival]:
    settings = replace(FAST, maps=MAPS, survival=SurvivalSettings(map=of_map))
    rows = survival(Pair("one", target, [data]), settings)
    return {row.measure: row for row in rows if row.source == "one"}


def test_rotations_keep_the_geometry_and_other_maps_do_not() -> None:
    data = curved_set()
    exact = followed(data, "turned", "centred")
    assert list(exact) == ["energy", "response", "ks_mean", "ks_excess"]
    for row in exact.values():
        assert row.source_value is not None
        assert row.mapped_value == pytest.approx(row.source_value, rel=1e-3, abs=1e-6)
        assert row.target_value == pytest.approx(row.source_value, rel=1e-3)
    plain, centred = (followed(data, "other", name) for name in ("plain", "centred"))
    for measure, row in plain.items():
        assert row.mapped_value == pytest.approx(row.source_value, rel=1e-3)
        if measure.startswith("ks"):
            continue  # of so few people, it has few values
        assert row.target_value != pytest.approx(row.source_value, rel=0.03)
        assert centred[measure].mapped_value != pytest.approx(row.source_value, rel=1e-3)
    euclidean = followed(curved_set("euclidean"), "other", "centred")
    for row in euclidean.values():
        assert row.mapped_value == pytest.approx(row.source_value, rel=1e-3)


def test_only_the_judging_people_are_measured() -> None:
    data = curved_set()
    row = followed(data, "other", "ridge")["energy"]
    assert data.curves is not None
    owner = data.curves.identity["light"]
    judge = torch.isin(owner, data.judging.labels)
    geometry = lattice_geometry(
        data.spaces["one"].points,
        {"light": data.curves.rows["light"][judge]},
        {"light": owner[judge]},
        null_permutations=0,
    )
    assert row.source_value == pytest.approx(geometry.mean("energy", "light"), abs=1e-9)
    assert (row.attribute, row.map, row.target) == ("light", "ridge", "other")
    notes = survival_notes(data, replace(FAST, survival=SurvivalSettings()))
    assert notes[0].startswith("curved: no KS through maps of attributes with or without")
    assert "rare (" in notes[0]
    assert notes[1] == "curved: curves of people who judge: light 80"


def test_what_is_not_asked_for_is_not_measured() -> None:
    data = curved_set()
    pair = Pair("one", "other", [data])
    for wanted, expected in (
        (SurvivalSettings(attributes=()), set()),
        (SurvivalSettings(pairs=()), set()),
        (SurvivalSettings(attributes=("wide",), pairs=(("other", "one"),)), {("other", "wide")}),
    ):
        rows = survival(pair, replace(FAST, survival=wanted))
        assert {(row.source, row.attribute) for row in rows} == expected
        if wanted.attributes == ():
            assert survival_notes(data, replace(FAST, survival=wanted)) == []
