from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.attribute_sets import face_set_attributes, file_attributes
from facegeom_lit.evaluation.embedding_file import read_embedding_file
from facegeom_lit.faces.face_set import FaceSet

MODEL = np.random.default_rng(0).normal(size=(4, 3))


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, identity=np.array([5, 5, 7, 7]), model=MODEL, **arrays)
    return path


def test_columns_of_a_face_set() -> None:
    rows = [
        {"identity": who, "path": "x", "smile": smile, "age": age, "empty": None}
        for who, smile, age in (("b", 1.0, 20.0), ("a", -1.0, None), ("a", 1.0, 30.0))
    ]
    found = face_set_attributes(FaceSet.from_rows(rows, ["smile", "age", "empty"]))
    assert found is not None
    assert found.identity.tolist() == [1, 0, 0]
    assert list(found.values) == ["smile", "age"]
    assert found.values["smile"].tolist() == [1, -1, 1]
    assert found.values["age"].isnan().tolist() == [False, True, False]
    assert found.notes == ("age: 1 of 3 images have no value",)
    only = found.only(["age"])
    assert only is not None
    assert list(only.values) == ["age"]
    assert found.only(["none"]) is None
    assert face_set_attributes(FaceSet.from_rows(rows)) is None


def test_a_matrix_with_names(tmp_path: Path) -> None:
    for kind in (np.int8, np.float32):  # a matrix of floats is no model where it has names
        table = np.array([[1, -1], [1, 1], [-1, 1], [-1, -1]], kind)
        path = saved(
            tmp_path / f"{kind.__name__}.npz",
            attributes=table,
            attribute_names=["Male", "Young"],
            size=np.array([1.0, 2.0, 9.0, 1.0]),
        )
        file = read_embedding_file({"path": str(path), "drop": {"size": 5}})
        assert list(file.models) == ["model"]
        found = file_attributes(file)
        assert found is not None
        assert found.identity.tolist() == [0, 0, 1]
        assert {name: column.tolist() for name, column in found.values.items()} == {
            "Male": [1, 1, -1],
            "Young": [-1, 1, -1],
        }


def test_one_vector_for_each_attribute(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "a.npz",
        smile=np.array([True, False, True, True]),
        age=np.array([20.5, np.nan, 30.0, 31.0]),
        image=np.array(["1", "2", "3", "4"]),
        curves_pose=np.array([[0, 1, 1]]),
        mean=np.ones(3),
        blur=np.ones(4),
    )
    found = file_attributes(read_embedding_file({"path": str(path), "drop": {"blur": 2}}))
    assert found is not None
    assert found.values["smile"].tolist() == [1, 0, 1, 1]
    assert list(found.values) == ["smile", "age"]
    assert any("'mean' of a.npz has 3 entries, not one a row (4)" in note for note in found.notes)
    assert "age: 1 of 4 images have no value" in found.notes
    assert file_attributes(read_embedding_file(saved(tmp_path / "none.npz"))) is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"attributes": np.ones((3, 1), int), "attribute_names": ["a"]}, r"must be a matrix"),
        ({"attributes": np.ones((4, 2), int), "attribute_names": ["a"]}, r"its shape is \(4, 2\)"),
        ({"attribute_names": ["a"]}, "its shape is none"),
        ({"attributes": np.ones((4, 2), int), "attribute_names": ["a", "a"]}, "a name comes twice"),
        ({"attributes": np.full((4, 1), "x"), "attribute_names": ["a"]}, "must hold numbers"),
        ({"a": np.array([1, 2, np.inf, 3])}, "attribute 'a' holds infinity"),
    ],
)
def test_bad_attributes_are_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(FaceGeomError, match=message):
        file_attributes(read_embedding_file(saved(tmp_path / "bad.npz", **arrays)))
