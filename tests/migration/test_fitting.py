from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from migration import migration_cases as cases

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine import AffineAccumulator
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.migration.anchors import advice, anchor_steps
from facegeom_lit.migration.card import MAPPED, OLD, REENROLLED, UNMAPPED, AnchorCurve
from facegeom_lit.migration.fitting import fit_migration, fitted
from facegeom_lit.migration.method import MapMethod
from facegeom_lit.migration.migration_map import MigrationMap
from facegeom_lit.migration.names import from_tensor, hashed_names, to_tensor
from facegeom_lit.migration.pairs import split_people


def test_expected_figures_are_of_people_that_were_not_fitted_on(migration: MigrationMap) -> None:
    anchors, card = cases.pairs(), migration.card
    fits, judges = split_people(anchors.labels, 0.3, 0)
    assert not set(anchors.labels[fits].tolist()) & set(anchors.labels[judges].tolist())
    assert (card.people, card.images) == (60, 300)
    assert (card.judged_people, card.judged_images) == (18, 90)
    mapping = fitted(anchors.select(fits), MapMethod())
    matrix, offset = mapping.matrix.double().numpy(), mapping.offset.double().numpy()
    old, new = anchors.old[judges].double().numpy(), anchors.new[judges].double().numpy()
    labels = anchors.labels[judges].numpy()

    def rank1(gallery: np.ndarray, probes: np.ndarray) -> float:
        gallery = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
        _, first = np.unique(labels, return_index=True)
        others = np.setdiff1d(np.arange(len(labels)), first)
        nearest = (probes[others] @ gallery[first].T).argmax(1)
        return float((labels[first][nearest] == labels[others]).mean())

    expected = {way: figures["rank1"].value for way, figures in card.expected.items()}
    assert expected == pytest.approx(
        {
            OLD: rank1(old, old),
            UNMAPPED: rank1(old[:, :32], new),
            MAPPED: rank1(old @ matrix + offset, new),
            REENROLLED: rank1(new, new),
        }
    )
    assert expected[MAPPED] > 0.8 > 0.3 > expected[UNMAPPED]
    assert set(card.expected[MAPPED]) == {"rank1", "tar@1e-2"}
    # The map of the file is that of everybody.
    torch.testing.assert_close(migration.mapping.matrix, fitted(anchors, MapMethod()).matrix)


def test_templates_are_normalised_on_both_sides(migration: MigrationMap) -> None:
    points = cases.pairs(seed=3).old[:7]
    found = migration(points)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(7))
    torch.testing.assert_close(migration(5 * points), found)
    euclidean = tuple(replace(side, distance="euclidean") for side in (cases.OLD, cases.NEW))
    raw = fit_migration(cases.pairs(sides=euclidean), MapMethod(), cases.QUICK)  # type: ignore[arg-type]
    again = cases.pairs(seed=3, sides=euclidean)  # type: ignore[arg-type]
    torch.testing.assert_close(raw(again.old), raw.mapping(again.old))
    assert (raw(again.old) - again.new).norm() < 0.2 * again.new.norm()


def test_anchor_curve_rises_and_says_what_is_enough(migration: MigrationMap) -> None:
    curve = migration.card.curve
    assert curve.steps == (26, 52, 105, 210)
    values = [entry.value for entry in curve.figures["rank1"]]
    assert values[0] < values[-1] == migration.card.expected[MAPPED]["rank1"].value
    assert anchor_steps(20) == [20]

    def told(*values: float) -> str:
        entries = tuple(Interval(value, None, None, 9) for value in values)
        steps = tuple(100 * 2**n for n in range(len(values)))
        return advice(AnchorCurve(steps, {"rank1": entries}, "rank1", 0.01))

    assert told(0.5, 0.8, 0.805, 0.807).startswith("From 200 anchor images on")
    assert "too few: the last step, from 200, still gained 0.100" in told(0.5, 0.8, 0.9)
    assert "too few to say" in told(0.5)


def test_people_of_one_fold_leave_the_penalty_to_generalised_cross_validation() -> None:
    pairs = cases.pairs(people=8)
    sums = AffineAccumulator()
    sums.update(pairs.old, pairs.new, torch.zeros_like(pairs.labels))
    expected = sums.solve("ridge", ridge="gcv")
    assert torch.equal(MapMethod().solve(sums).matrix, expected.matrix)


def test_too_little_to_fit_or_to_judge_is_refused() -> None:
    with pytest.raises(FaceGeomError, match="there are 2 such people to judge"):
        fit_migration(cases.pairs(people=6), MapMethod(), cases.QUICK)
    with pytest.raises(FaceGeomError, match="leaves 0 of 2 to fit a map on"):
        fit_migration(cases.pairs(people=2), MapMethod(), cases.QUICK, judges=0.9)
    with pytest.raises(FaceGeomError, match="the same, 'first': its gallery needs no map"):
        cases.pairs(sides=(cases.OLD, replace(cases.NEW, hash=cases.OLD.hash)))
    for given, message in (
        ({"method": "ridge", "rank": 3}, "rank=3 belongs to method=low_rank"),
        ({"method": "procrustes", "ridge": 0.0}, "ridge=0.0 belongs to method=ridge or low_rank"),
        ({"method": "linear", "scale": True}, "scale=True belongs to method=procrustes"),
        ({"method": "mlp"}, "method must be one of"),
    ):
        with pytest.raises(FaceGeomError, match=message):
            MapMethod(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["none", "procrustes", "linear", "low_rank"])
def test_every_method_fits(method: str) -> None:
    found = fit_migration(cases.pairs(30), MapMethod(method), cases.QUICK)  # type: ignore[arg-type]
    assert found.card.method == method
    assert (found.card.rank is not None) == (method == "low_rank")


def test_names_are_hashed_in_order() -> None:
    hashes = hashed_names(["b", "a", "a"])
    assert from_tensor(to_tensor(hashes)) == hashes
    assert to_tensor(hashes).shape == (2, 32)
    assert hashed_names(["a"]) <= hashes
