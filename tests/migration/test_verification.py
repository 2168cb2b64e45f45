from __future__ import annotations

from dataclasses import replace

import pytest
from migration import migration_cases as cases

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.statistics import Interval
from facegeom_lit.migration.card import MAPPED
from facegeom_lit.migration.migration_map import MigrationMap
from facegeom_lit.migration.verification import against_promise, verify_map


def test_people_who_were_anchors_are_left_out(migration: MigrationMap) -> None:
    others = cases.pairs(people=80, seed=11)  # 60 of the names are those of anchors
    found = verify_map(migration, others, cases.QUICK)
    assert (found.people, found.images, found.left_out) == (20, 100, 60)
    kept = verify_map(migration, others, cases.QUICK, leave_out=False)
    assert (kept.people, kept.left_out) == (80, 0)
    alone = others.select(others.labels >= 60)
    assert verify_map(migration, alone, cases.QUICK).measured == found.measured
    with pytest.raises(FaceGeomError, match="All 60 people were anchors"):
        verify_map(migration, cases.pairs(seed=11), cases.QUICK)


def test_the_card_keeps_its_promise_on_new_people(migration: MigrationMap) -> None:
    found = verify_map(migration, cases.pairs(people=60, seed=4, name="q"), cases.QUICK)
    value = found.measured[MAPPED]["rank1"]
    assert against_promise(migration.card, MAPPED, "rank1", value) in ("inside", "above")
    promised = migration.card.expected[MAPPED]["rank1"]
    assert promised.low is not None
    for given, word in ((promised.low - 0.1, "below"), (promised.low, "inside"), (1.1, "above")):
        interval = Interval(given, None, None, 9)
        assert against_promise(migration.card, MAPPED, "rank1", interval) == word
    assert against_promise(migration.card, MAPPED, "tar@1e-9", value) == ""


def test_other_models_are_refused(migration: MigrationMap) -> None:
    for side, message in (
        (replace(cases.OLD, hash="d" * 64), "old: 'first' is the model dddd"),
        (replace(cases.OLD, distance="euclidean"), "compared by the euclidean distance"),
    ):
        other = cases.pairs(sides=(side, cases.NEW))
        with pytest.raises(FaceGeomError, match=message):
            verify_map(migration, other, cases.QUICK)
    swapped = cases.pairs(name="q")
    turned = replace(swapped, old=swapped.old.flip(1))
    with pytest.raises(FaceGeomError, match="does not look like templates of 'first'"):
        verify_map(migration, turned, cases.QUICK)
