from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from galleries.files import COUNT, DIMENSION, FORMATS, MODEL, embeddings, people, read

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.embedding_file import read_embedding_file
from facegeom_lit.galleries import open_gallery, write_gallery

AGE = np.linspace(20, 60, COUNT, dtype=np.float32)


def write(path: Path, **changed: Any) -> str:
    matrix = embeddings()
    given: dict[str, Any] = {
        "chunks": (matrix[start : start + 20] for start in range(0, COUNT, 20)),
        "count": COUNT,
        "dimension": DIMENSION,
        "dtype": "float16",
        "columns": {"identity": people(), "age": AGE},
        "model": MODEL,
        "facts": {"distance": "cosine"},
        **changed,
    }
    return write_gallery(path, **given)


@pytest.mark.parametrize("suffix", FORMATS)
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"new.{suffix}"
    assert write(path) == sha256(path.read_bytes()).hexdigest()
    matrix, columns, facts = read(path)
    np.testing.assert_array_equal(matrix, embeddings("float16"))
    assert facts == {"model": MODEL, "distance": "cosine"}
    np.testing.assert_allclose(columns["age"], AGE)
    gallery = open_gallery(path)
    np.testing.assert_array_equal(gallery.labels(), people())  # type: ignore[arg-type]
    assert set(gallery.column_names()) == {"identity", "age"}
    with pytest.raises(FaceGeomError, match="exists already"):
        write(path)


def test_a_file_of_embeddings_for_the_other_commands(tmp_path: Path) -> None:
    write(tmp_path / "new.npz", key="buffalo")
    file = read_embedding_file(tmp_path / "new.npz")
    assert set(file.models) == {"buffalo"}
    assert [file.people[label] for label in file.labels.tolist()] == people().tolist()
    np.testing.assert_array_equal(file.others["age"], AGE)
    assert open_gallery(tmp_path / "new.npz").key == "buffalo"


@pytest.mark.parametrize("suffix", FORMATS)
def test_nothing_partial_is_left(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"new.{suffix}"
    with pytest.raises(FaceGeomError, match="20 embeddings were given"):
        write(path, chunks=[embeddings()[:20]])
    broken = embeddings()
    broken[33, 1] = np.nan
    with pytest.raises(FaceGeomError, match="NaN or infinity in 1 rows: 33 "):
        write(path, chunks=[broken[:30], broken[30:]])
    with pytest.raises(FaceGeomError, match="'age' has 3 rows, not 50"):
        write(path, columns={"age": AGE[:3]})
    assert list(tmp_path.iterdir()) == []


def test_a_fact_and_an_array_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="'age' is the name of a fact and of an array"):
        write(tmp_path / "new.npz", facts={"age": "unknown"})
