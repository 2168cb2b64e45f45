from __future__ import annotations

import dataclasses

import pytest

from facegeom_lit.attributes import MEASURED, AttributeSpec, attribute, vocabulary
from facegeom_lit.errors import FaceGeomError


def test_vocabulary_is_whole() -> None:
    facial = {name for name, spec in vocabulary().items() if spec.kind == "facial"}
    image = {name for name, spec in vocabulary().items() if spec.kind == "image"}
    assert len(facial) == 12
    assert len(image) == 8
    assert set(MEASURED) <= facial | image
    assert len(MEASURED) == 8


def test_every_curve_fits_into_the_range() -> None:
    for spec in vocabulary().values():
        low, high = spec.centers
        assert spec.low <= low - spec.step + 1e-9
        assert low <= high
        assert high + spec.step <= spec.high + 1e-9


def test_unknown_attribute_names_the_known_ones() -> None:
    with pytest.raises(FaceGeomError, match=r"'hair_colour'.*hair_color"):
        attribute("hair_colour")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"default": 90.0}, "default 90.0 lies outside"),
        ({"step": 100.0}, "at most half of the range"),
        ({"step": 0.0}, "positive"),
        ({"kind": "magic"}, "kind must be one of"),
        ({"varies": "often"}, "varies must be one of"),
        ({"low": float("nan")}, "finite"),
    ],
)
def test_contradictory_spec_names_its_key(change: dict[str, object], words: str) -> None:
    values = dataclasses.asdict(attribute("pose")) | change
    with pytest.raises(FaceGeomError, match=f"attribute.pose: .*{words}"):
        AttributeSpec.from_mapping(values)


def test_unknown_and_missing_keys_are_named() -> None:
    values = dataclasses.asdict(attribute("pose"))
    del values["step"]
    with pytest.raises(FaceGeomError, match=r"unknown keys \['stpe'\], missing keys \['step'\]"):
        AttributeSpec.from_mapping(values | {"stpe": 1})


@pytest.mark.parametrize("value", [-61.0, 61.0, float("nan")])
def test_value_out_of_range_is_refused(value: float) -> None:
    with pytest.raises(FaceGeomError, match="pose"):
        attribute("pose").check(value)


def test_facial_attributes_have_words_for_editors() -> None:
    for spec in vocabulary().values():
        assert (spec.editing is not None) == (spec.kind == "facial"), spec.name
    editing = attribute("age").editing
    assert editing is not None
    assert "old" in editing.positive
    assert "young" in editing.negative
    assert editing.strength == (0.35, 0.75)


def test_words_for_editors_do_not_count_among_what_decides_an_image() -> None:
    spec = attribute("age")
    assert spec.to_dict() == dataclasses.replace(spec, editing=None).to_dict()
    assert "editing" not in spec.to_dict()
    assert AttributeSpec.from_mapping(spec.to_dict()).editing is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"positive": " "}, r"\.positive must be a text"),
        ({"negative": 3}, r"\.negative must be a text"),
        ({"strength": [0.8, 0.4]}, r"\.strength must be \[low, high\] with 0 < low"),
        ({"strength": [0, 0.4]}, r"\.strength must be"),
        ({"strength": [0.4, 1.1]}, r"\.strength must be"),
        ({"strength": [float("nan"), 1]}, r"\.strength must be"),
        ({"strength": 0.5}, r"\.strength must be \[low, high\], got 0\.5"),
        ({"strenght": [0.1, 0.2]}, " must hold negative, positive, strength"),
    ],
)
def test_wrong_words_for_editors_name_their_key(change: dict[str, object], words: str) -> None:
    values = dataclasses.asdict(attribute("age"))
    values["editing"] = values["editing"] | change
    with pytest.raises(FaceGeomError, match=rf"attribute\.age\.editing{words}"):
        AttributeSpec.from_mapping(values)
