from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.embedding_file import read_embedding_file
from facegeom_lit.evaluation.lattices import MeasuredCurves, face_set_curves, file_curves
from facegeom_lit.faces.face_set import FaceSet


def generated() -> FaceSet:
    """Two people, one node each, along two attributes."""
    rows = [
        {"identity": who, "path": "x", "node": 0, "moving": moving, "step": step, "age": 1.0}
        for who in ("ada", "bob")
        for moving, step in (("", 1), ("age", 0), ("age", 2), ("hue", 0), ("hue", 2))
    ]
    return FaceSet.from_rows(rows, ["age"])


def test_a_generated_lattice() -> None:
    found = face_set_curves(generated())
    assert found is not None
    assert found.rows["age"].tolist() == [[1, 0, 2], [6, 5, 7]]
    assert found.rows["hue"].tolist() == [[3, 0, 4], [8, 5, 9]]
    assert found.identity["hue"].tolist() == [0, 1]
    assert found.people == ("ada", "bob")
    assert found.remarks == ("curves: a generated lattice", "2 people: an interval needs 6")
    only = found.only(["hue", "pose"])
    assert only is not None
    assert list(only.rows) == ["hue"]
    assert found.only(["pose"]) is None


def test_measured_values() -> None:
    rows = [
        {"identity": who, "path": "x", "light": light, "height": height}
        for who in ("ada", "bob")
        for height in (0.0, 5.0)
        for light in (-30.0, 0.0, 30.0, 120.0)
    ]
    faces = FaceSet.from_rows(rows, ["light", "height"])
    assert face_set_curves(faces) is None
    source = {"path": "p", "curves": "light", "fixed": ["height"], "max_span": 60}
    where, measured = MeasuredCurves.taken_from(source, "yale")
    assert where == {"path": "p"}
    assert measured == MeasuredCurves(("light",), ("height",), 60)
    found = face_set_curves(faces, measured)
    assert found is not None
    assert found.rows["light"].tolist() == [[0, 1, 2], [4, 5, 6], [8, 9, 10], [12, 13, 14]]
    assert found.identity["light"].tolist() == [0, 0, 1, 1]
    assert "span at most 60" in found.notes[0]


def test_several_measured_attributes_hold_each_other_equal() -> None:
    values = [(x, y) for x in (0.0, 1.0, 2.0) for y in (0.0, 1.0, 2.0)]
    rows = [{"identity": "ada", "path": "x", "x": x, "y": y} for x, y in values]
    found = face_set_curves(FaceSet.from_rows(rows, ["x", "y"]), MeasuredCurves(("x", "y")))
    assert found is not None
    assert found.rows["x"].tolist() == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert found.rows["y"].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert found.remarks[-1].startswith("one person")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"fixed": ["a"]}, r"data\.s: fixed is of curves .* name the attributes that move"),
        ({"curves": 3}, r"data\.s\.curves must be attributes, got 3"),
        ({"curves": ["a"], "fixed": [1]}, r"data\.s\.fixed must be attributes"),
        ({"curves": "a", "max_span": "wide"}, r"data\.s\.max_span must be a number above 0"),
        ({"curves": "a", "max_span": True}, r"data\.s\.max_span must be a number above 0"),
        ({"curves": "a", "max_span": -1}, r"data\.s\.max_span must be a number above 0"),
        ({"curves": "a", "fixed": "a"}, r"'a' cannot both move and be fixed"),
    ],
)
def test_bad_keys_are_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(FaceGeomError, match=message):
        MeasuredCurves.taken_from({"path": "p", **keys}, "s")


def test_curves_of_a_file_follow_the_rows_that_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "lattice.npz"
    np.savez(
        path,
        identity=np.array(["b", "b", "b", "b", "a", "a", "a"]),
        quality=np.array([9.0, 0, 0, 0, 0, 0, 0]),
        model=np.random.default_rng(0).normal(size=(7, 4)),
        curves_pose=np.array([[1, 2, 3], [0, 1, 2], [4, 5, 6]]),
    )
    found = file_curves(read_embedding_file({"path": str(path), "drop": {"quality": 1}}))
    assert found is not None
    assert found.rows["pose"].tolist() == [[0, 1, 2], [3, 4, 5]]  # row 0 is gone
    assert found.identity["pose"].tolist() == [1, 0]
    assert found.people == ("a", "b")
    assert found.notes == ("1 of 3 curves left out with their rows (pose)",)
    np.savez(tmp_path / "none.npz", identity=[0, 0], model=np.ones((2, 3)))
    assert file_curves(read_embedding_file(tmp_path / "none.npz")) is None


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ([[0, 1, 6]], r"names rows \[0, 1, 6\] in curve 0, but there are 6 rows"),
        ([[0, 1]], r"must hold whole numbers \(C, 3\)"),
        ([[0.0, 1.0, 2.0]], r"must hold whole numbers \(C, 3\)"),
        ([[0, 1, 2], [1, 2, 3]], r"curve 1 of 'curves_a' mixes people: 0, 0, 1"),
        (np.zeros((0, 3), int), r"no curve of 'curves_a' is left"),
    ],
)
def test_bad_curves_are_named(tmp_path: Path, curves: Any, message: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, identity=[0, 0, 0, 1, 1, 1], model=np.ones((6, 3)), curves_a=curves)
    with pytest.raises(FaceGeomError, match=message):
        file_curves(read_embedding_file(path))


def test_the_light_of_real_faces(real_data: Path) -> None:
    from facegeom_lit.faces.opening import open_faces

    source = {"path": str(real_data / "faces" / "yale_b"), "images": "crops112"}
    faces = open_faces(source, attributes=True, verify=False)
    assert faces.attributes == ("light_azimuth_deg", "light_elevation_deg")
    measured = MeasuredCurves(("light_azimuth_deg",), ("light_elevation_deg",), 60)
    found = face_set_curves(faces, measured)
    assert found is not None
    assert found.rows["light_azimuth_deg"].shape == (1014, 3)
    assert len(found.people) == 38
