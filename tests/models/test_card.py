from __future__ import annotations

import json

import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import ModelCard

CARD = ModelCard("m", "vit", 128, {"depth": 2}, mean=[1, 2, 3], size=[112, 96], training={"a": 1})


def test_json_round_trip() -> None:
    assert ModelCard.from_json(json.loads(json.dumps(CARD.to_json()))) == CARD
    assert CARD.mean == (1.0, 2.0, 3.0)
    assert CARD.size == (112, 96)


@pytest.mark.parametrize(
    ("change", "culprit"),
    [
        ({"color_order": "GRB"}, "color_order"),
        ({"fit": "pad"}, "fit"),
        ({"distance": "manhattan"}, "distance"),
        ({"mean": [1, 2]}, "mean.*3 numbers"),
        ({"std": [1, 0, 1]}, "std"),
        ({"std": [1, float("nan"), 1]}, "std"),
        ({"size": "112"}, "size"),
        ({"size": 112}, "size"),
        ({"arguments": None}, "arguments"),
        ({"dimension": 0}, "dimension"),
        ({"dimension": "128"}, "wrong kind"),
        ({"colour": "RGB"}, r"unknown fields \['colour'\]"),
    ],
)
def test_bad_fields_are_named_with_their_file(change: dict, culprit: str) -> None:
    with pytest.raises(FaceGeomError, match=f"card.json.*{culprit}"):
        ModelCard.from_json({**CARD.to_json(), **change}, "folder/card.json")


def test_missing_field() -> None:
    value = CARD.to_json()
    del value["architecture"]
    with pytest.raises(FaceGeomError, match=r"missing fields \['architecture'\]"):
        ModelCard.from_json(value)
    with pytest.raises(FaceGeomError, match="object of card fields"):
        ModelCard.from_json([1])  # type: ignore[arg-type]
