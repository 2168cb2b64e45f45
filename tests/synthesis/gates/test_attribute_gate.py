from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from synthesis.gates.candidates import candidate, flat

from facegeom_lit.attributes import attribute
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.attribute_regressor import AttributeRegressor
from facegeom_lit.synthesis.gates.attribute_gate import AttributeGate

RANGES = {"age": (18.0, 80.0), "pose": (-60.0, 60.0)}


class Reads(AttributeRegressor):
    """Takes red as age and green, less 100, as pose."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red, green, _ = images.float().mean((2, 3)).unbind(1)
        return torch.stack([red, green - 100], dim=1)


def gate(**arguments: object) -> AttributeGate:
    made = AttributeGate("unused", **arguments)
    made.__dict__["regressor"] = Reads(RANGES, arguments={"width": 0.25})
    return made


def test_known_changes() -> None:
    reference = flat(40, 100, 0)
    step = int(attribute("age").step)
    assert (step, attribute("pose").step) == (12, 15)
    made = gate(min_share=0.5, max_leak=1.0)
    judged = {
        (46, 100, 2): "",
        (45, 100, 2): "age did not move",
        (34, 100, 2): "age did not move",
        (34, 100, 0): "",
        (46, 100, 0): "age did not move",
        (52, 115, 2): "",
        (52, 116, 2): "pose moved too",
        (52, 84, 2): "pose moved too",
    }
    candidates = [
        candidate(flat(red, green, 0), reference, "age", moved) for red, green, moved in judged
    ]
    assert made.judge(candidates) == list(judged.values())


def test_off_a_curve_the_value_asked_for_counts() -> None:
    asked = candidate(flat(54, 100, 0), flat(40, 100, 0), "age", 1, age=60.0)
    assert gate(min_share=0.7).judge([asked]) == [""]
    assert gate(min_share=0.71).judge([asked]) == ["age did not move"]


def test_limits_of_single_attributes() -> None:
    leaks = candidate(flat(52, 130, 0), flat(40, 100, 0))
    assert gate().judge([leaks]) == ["pose moved too"]
    assert gate(max_leaks={"pose": 2.0}).judge([leaks]) == [""]
    assert gate(max_leaks={"pose": None}).judge([leaks]) == [""]


def test_what_cannot_be_judged_is_kept() -> None:
    moved = candidate(flat(0, 0, 0), flat(40, 100, 0), "brightness")
    assert gate().judge([moved, candidate(flat(0, 0, 0), None)]) == ["", ""]
    assert gate().judge([]) == []


def test_version_and_file(tmp_path: Path) -> None:
    AttributeRegressor(RANGES, arguments={"width": 0.25}).save(tmp_path)
    versions = {AttributeGate(tmp_path, max_leak=leak).version for leak in (1.0, 1.0, 2.0)}
    assert len(versions) == 2
    summary = json.loads(json.dumps(AttributeGate(tmp_path, max_leaks={"pose": None}).summary))
    assert summary["max_leaks"] == {"pose": None}
    noise = torch.randint(0, 255, (112, 112, 3), dtype=torch.uint8).numpy()
    assert AttributeGate(tmp_path).judge([candidate(noise, noise)]) == ["age did not move"]


def test_bad_arguments() -> None:
    with pytest.raises(FaceGeomError, match="max_leak must be positive, got 0"):
        AttributeGate("unused", max_leak=0)
    with pytest.raises(FaceGeomError, match="min_share must be at least 0"):
        AttributeGate("unused", min_share=-1)
    with pytest.raises(FaceGeomError, match="Unknown attribute 'nose'"):
        AttributeGate("unused", max_leaks={"nose": 1.0})
