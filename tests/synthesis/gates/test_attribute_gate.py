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
        (46, 100, 12): "",
        (45, 100, 12): "age did not move",
        (34, 100, 12): "age did not move",
        (34, 100, -12): "",
        (35, 100, -12): "age did not move",
        (46, 100, -12): "age did not move",
        (54, 100, 28): "",
        (53, 100, 28): "age did not move",
        (52, 115, 12): "",
        (52, 116, 12): "pose moved too",
        (52, 84, 12): "pose moved too",
    }
    candidates = [
        candidate(flat(red, green, 0), reference, "age", asked) for red, green, asked in judged
    ]
    assert made.judge(candidates) == list(judged.values())


def test_a_change_too_small_to_be_resolved_is_judged_by_its_leaks() -> None:
    reference = flat(40, 100, 0)
    for asked in (3.0, -3.0):  # a quarter of a step
        assert gate().judge([candidate(reference, reference, "age", asked)]) == ["age did not move"]
    for asked in (2.9, -2.9, 0.0):
        leaks = candidate(flat(40, 116, 0), reference, "age", asked)
        assert gate().judge([candidate(reference, reference, "age", asked)]) == [""]
        assert gate().judge([leaks]) == ["pose moved too"]


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
