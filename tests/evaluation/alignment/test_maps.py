from __future__ import annotations

from typing import Any

import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.maps import MapChoice, map_choices
from facegeom_lit.geometry.alignment.affine import AffineAccumulator


def test_entries_are_methods_or_say_how() -> None:
    entries = [
        "none",
        "ridge",
        {"method": "low_rank", "rank": 4},
        {"method": "procrustes", "scale": True},
        {"method": "linear", "bias": False},
        {"method": "ridge", "ridge": 0.5},
        {"name": "mine", "method": "ridge", "ridge": "gcv"},
    ]
    defaults = {"bias": True, "scale": False, "ridge": "kfold", "rank": None}
    assert map_choices(entries, defaults) == (
        MapChoice("ridge", "ridge", ridge="kfold"),
        MapChoice("low_rank_4", "low_rank", ridge="kfold", rank=4),
        MapChoice("procrustes_scaled", "procrustes", scale=True),
        MapChoice("linear_uncentred", "linear", bias=False),
        MapChoice("ridge_0.5", "ridge", ridge=0.5),
        MapChoice("mine", "ridge", ridge="gcv"),
    )


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("ridge", "maps must be a list"),
        ([], "maps must be a list"),
        (["none"], "maps must hold a map that is fitted"),
        (["affine"], "maps holds 'affine'; a map is one of none, procrustes"),
        ([{"rank": 3}], "maps holds {'rank': 3}"),
        (["ridge", "ridge"], "two entries that are called 'ridge'"),
        ([{"method": "ridge", "rank": 3}], "ridge has no option 'rank'"),
        ([{"method": "low_rank", "rank": 0}], "rank of low_rank must be a whole number"),
        ([{"method": "low_rank", "rank": True}], "rank of low_rank must be a whole number"),
        ([{"method": "ridge", "ridge": -1}], "ridge of ridge must be a number of at least 0"),
        ([{"method": "ridge", "ridge": "best"}], "gcv, kfold or null, got 'best'"),
        ([{"method": "linear", "bias": 1}], "bias of linear must be true or false"),
        ([{"name": "native", "method": "linear"}], "'native' cannot be the name"),
    ],
)
def test_what_is_wrong_is_named(entries: Any, message: str) -> None:
    with pytest.raises(FaceGeomError, match=message):
        map_choices(entries, {"bias": True})


def test_people_of_one_fold_choose_neither_a_penalty_nor_a_rank() -> None:
    x = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    sums = AffineAccumulator()
    sums.update(x, x, torch.zeros(12, dtype=torch.long))
    assert MapChoice("ridge", "ridge").solve(sums).ridge is not None
    assert MapChoice("low", "low_rank").solve(sums).rank == 3
    with pytest.raises(FaceGeomError, match="two folds"):
        MapChoice("ridge", "ridge", ridge="kfold").solve(sums)
