from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.embedding_file import read_embedding_file
from facegeom_lit.evaluation.named import named_sources


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "set.npz"
    g = np.random.default_rng(0)
    np.savez(
        path,
        identity=np.array(["b", "a", "b", "a"]),
        image=np.array(["1", "2", "3", "4"]),
        quality=np.array([0.1, 0.9, np.nan, 0.2]),
        attributes=np.ones((4, 3), np.int8),
        first=g.normal(size=(4, 5)).astype(np.float16),
        second=g.normal(size=(4, 7)) + 9,
        short=np.ones((3, 2)),
    )
    return path


def test_rows_are_dropped_and_models_centred(file: Path) -> None:
    found = read_embedding_file(
        {
            "path": str(file),
            "models": ["first", "second"],
            "drop": {"quality": 0.5},
            "center": ["second"],
        }
    )
    assert found.labels.tolist() == [1, 0]  # the first and the last row
    assert {name: tuple(e.shape) for name, e in found.models.items()} == {
        "first": (2, 5),
        "second": (2, 7),
    }
    assert found.models["first"].dtype == torch.float32
    torch.testing.assert_close(found.models["second"].mean(0), torch.zeros(7), atol=1e-5, rtol=0)
    assert found.notes[0] == "2 of 4 rows left out: quality above 0.5"


def test_what_else_a_file_says_is_kept(file: Path) -> None:
    source = {"path": str(file), "models": ["first", "second"], "drop": {"quality": 0.5}}
    found = read_embedding_file({**source, "euclidean": ["second"]})
    assert found.people == ("a", "b")
    assert found.kept.tolist() == [True, False, False, True]
    assert found.distances == {"first": "cosine", "second": "euclidean"}
    assert set(found.others) == {"image", "attributes"}  # `drop` reads quality, `short` is a matrix
    with pytest.raises(FaceGeomError, match="euclidean names 'third', which is no model"):
        read_embedding_file({**source, "euclidean": ["third"]})
    with pytest.raises(FaceGeomError, match=r"no row is left \(4 of 4 rows left out: quality"):
        read_embedding_file({**source, "drop": {"quality": 0}})


def test_bad_files_are_named(file: Path, tmp_path: Path) -> None:
    for source, message in (
        ({"path": str(file), "filter": {}}, "Unknown key 'filter'"),
        ({"models": ["a"]}, "has no path"),
        (tmp_path / "none.npz", "does not exist"),
        ({"path": str(file), "models": ["third"]}, "no model 'third'"),
        (file, "'short' has 3 rows"),
        ({"path": str(file), "models": ["first"], "drop": {"image": 1}}, "drop names 'image'"),
        ({"path": str(file), "models": ["first"], "center": ["second"]}, "center names 'second'"),
        ({"path": str(file), "models": "first"}, "models of .* must be a list"),
        ({"path": str(file), "models": ["first"], "center": 4}, "center of .* must be a list"),
        ({"path": str(file), "models": ["first"], "drop": 3}, "drop must map columns"),
        ({"path": str(file), "models": ["first"], "drop": {"quality": "x"}}, "drop must map"),
    ):
        with pytest.raises(FaceGeomError, match=message):
            read_embedding_file(source)
    for name, identity in (("unknown", np.array([0.0, np.nan])), ("scalar", np.array(3))):
        np.savez(tmp_path / f"{name}.npz", identity=identity, first=np.ones((2, 2)))
        with pytest.raises(FaceGeomError, match=f"{name}.npz: 'identity'"):
            read_embedding_file(tmp_path / f"{name}.npz")
    np.savez(tmp_path / "nameless.npz", first=np.ones((2, 2)))
    with pytest.raises(FaceGeomError, match="no array 'identity'"):
        read_embedding_file(tmp_path / "nameless.npz")


class Hostile:
    def __reduce__(self):
        return open, ("hostile-ran", "w")


def test_nothing_in_a_file_is_executed(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "hostile.npz", identity=np.array([Hostile()], object))
    (tmp_path / "text.npz").write_text("no archive")
    data = file.read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    (tmp_path / "flipped.npz").write_bytes(data[:400] + b"\xff" * 50 + data[450:])
    for name in ("hostile", "text", "cut", "flipped"):
        with pytest.raises(FaceGeomError, match=f"{name}.npz is no .npz file"):
            read_embedding_file(tmp_path / f"{name}.npz")
    assert not (tmp_path / "hostile-ran").exists()


def test_names_of_sources(tmp_path: Path) -> None:
    assert named_sources(None, "model") == {}
    assert named_sources("/m/w600k_r50.onnx", "model") == {"w600k_r50": "/m/w600k_r50.onnx"}
    assert named_sources("openai/clip-vit", "model") == {"clip-vit": "openai/clip-vit"}
    assert list(named_sources(["/a/run1/model", "/a/run2/model"], "model")) == ["run1", "run2"]
    entry = {"path": "/s/lfw.bin", "images": "x"}
    assert named_sources(entry, "data") == {"lfw": entry}
    with pytest.raises(FaceGeomError, match="two entries that would be called 'a'"):
        named_sources(["/x/a.pt", "/y/a.onnx"], "model")
    with pytest.raises(FaceGeomError, match=r"data\.lfw must be a path"):
        named_sources({"lfw": 3}, "data")
    with pytest.raises(FaceGeomError, match="model must hold paths"):
        named_sources([None], "model")
