from __future__ import annotations

import io
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from galleries.files import COUNT, DIMENSION, FORMATS, MODEL, embeddings, people, written
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries import open_gallery


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_a_file_says(tmp_path: Path, suffix: str, dtype: str) -> None:
    gallery = open_gallery(written(tmp_path, suffix, embeddings(dtype)))
    assert (gallery.format, gallery.count, gallery.dimension) == (suffix, COUNT, DIMENSION)
    assert (gallery.dtype, gallery.model) == (np.dtype(dtype), MODEL)
    assert gallery.facts == {"distance": "cosine"}
    np.testing.assert_array_equal(gallery.rows(0, COUNT), embeddings(dtype))
    labels = gallery.labels()
    if suffix == "npy":
        assert labels is None
    elif suffix == "safetensors":
        np.testing.assert_array_equal(labels, np.arange(COUNT) // 3)  # type: ignore[arg-type]
    else:
        np.testing.assert_array_equal(labels, people())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("galleries")
    for suffix in FORMATS:
        written(folder, suffix)
    np.savez_compressed(folder / "small.npz", embeddings=embeddings())
    np.save(folder / "columns.npy", np.asfortranarray(embeddings()))
    np.save(folder / "big.npy", embeddings().astype(">f4"))
    column = pa.array(list(embeddings()), pa.list_(pa.float32()))
    pq.write_table(pa.table({"vector": column}), folder / "lists.parquet", row_group_size=7)
    return folder


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, COUNT), st.integers(0, COUNT)), min_size=1, max_size=5))
def test_any_rows_in_any_order(folder: Path, asked: list[tuple[int, int]]) -> None:
    for path in sorted([*folder.glob("*.n*"), *folder.glob("*.parquet"), *folder.glob("*.safe*")]):
        gallery = open_gallery(path)
        assert gallery.dtype == np.float32
        for ends in asked:
            start, stop = sorted(ends)
            rows = gallery.rows(start, stop)
            assert rows.dtype.isnative
            np.testing.assert_array_equal(rows, embeddings()[start:stop], err_msg=path.name)


def test_the_matrix_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "two.npz"
    np.savez(path, one=embeddings(), two=2 * embeddings(), identity=people())
    with pytest.raises(FaceGeomError, match=r"several floating-point matrices: name .* key="):
        open_gallery(path)
    np.testing.assert_array_equal(open_gallery(path, key="two").rows(0, 3), 2 * embeddings()[:3])
    with pytest.raises(FaceGeomError, match=r"'three' is missing\. It has: one float32"):
        open_gallery(path, key="three")
    with pytest.raises(FaceGeomError, match="'identity' is no matrix"):
        open_gallery(path, key="identity")


def parquet(columns: dict[str, Any]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def npy(array: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array, allow_pickle=True)
    return sink.getvalue()


def npz(**arrays: Any) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    return sink.getvalue()


def header(entries: Any, size: int = 0) -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


LISTS = pa.array([[1.0, 2.0], [3.0]], pa.list_(pa.float32()))
HOLES = pa.array([[1.0, None]], pa.list_(pa.float32(), 2))
NONE = pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2))
RUNS = type("Runs", (), {"__reduce__": lambda self: (print, ("it ran",))})()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.npy", npy(embeddings())[:-9], "is cut short: its embeddings end at byte"),
        ("a.npy", b"none", "is no NumPy array"),
        ("a.npy", npy(np.array([RUNS, RUNS])), "pickled Python objects"),
        ("a.npy", pickle.dumps(RUNS), "is no NumPy array"),
        ("a.npy", npy(np.arange(6).reshape(2, 3)), "is no matrix"),
        ("a.npy", npy(np.ones(3)), "is no matrix"),
        ("a.npy", npy(np.ones((0, 3))), "is empty: 0 × 3"),
        ("a.npz", b"none", "is no .npz file"),
        ("a.npz", npz(embeddings=embeddings())[:-40], "is no .npz file"),
        ("a.npz", npz(embeddings=embeddings(), x=np.array([RUNS])), "'x' holds pickled"),
        ("a.npz", npz(identity=people()), "no floating-point matrix"),
        ("a.parquet", b"none", "is no Parquet file"),
        ("a.parquet", parquet({"embedding": embeddings()[:, 0]}), "no column of lists of floats"),
        ("a.parquet", parquet({"a": NONE, "b": NONE}), "several columns .* key="),
        ("a.safetensors", b"none", "is no safetensors file"),
        ("a.safetensors", header({"a": 1}), "is no safetensors file"),
        ("a.safetensors", header([]), "is no safetensors file"),
        (
            "a.safetensors",
            header({"e": {"dtype": "F32", "shape": [4, 2], "data_offsets": [0, 32]}}, 31),
            "bytes, its header says",
        ),
        (
            "a.safetensors",
            header({"e": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 32]}}, 32),
            "contradict each other",
        ),
        (
            "a.safetensors",
            header({"e": {"dtype": "BF16", "shape": [4, 2], "data_offsets": [0, 16]}}, 16),
            "no floating-point matrix .* e BF16",
        ),
        ("a.csv", b"1,2", "must end in one of .npy, .npz, .parquet, .safetensors"),
        ("missing/a.npy", None, "does not exist"),
    ],
)
def test_what_is_refused(
    tmp_path: Path,
    name: str,
    data: bytes | None,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(FaceGeomError, match=message) as caught:
        open_gallery(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (LISTS, "row 1 of 'e' has 1 values, others have 2"),
        (HOLES, "row 0 of 'e' has an empty value"),
        (NONE, "row 1 of 'e' has none"),
    ],
)
def test_lists_that_are_no_matrix(tmp_path: Path, column: pa.Array, message: str) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet({"e": column}))
    with pytest.raises(FaceGeomError, match=message):
        open_gallery(tmp_path / "a.parquet").rows(0, len(column))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rows_that_are_not_finite_are_named(tmp_path: Path, suffix: str, dtype: str) -> None:
    broken = embeddings(dtype)
    broken[[7, 31], [0, 5]] = np.nan, -np.inf
    gallery = open_gallery(written(tmp_path, suffix, broken))
    gallery.rows(8, 31)
    with pytest.raises(FaceGeomError, match=r"NaN or infinity in 2 rows: 7, 31 \(counted from 0\)"):
        gallery.rows(2, 40)


def test_labels_of_another_length(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", embeddings=embeddings(), label=np.arange(3))
    with pytest.raises(FaceGeomError, match=r"'label' has shape \(3,\), 'embeddings' has 50 rows"):
        open_gallery(tmp_path / "a.npz").labels()


def test_words_of_another_tensor(tmp_path: Path) -> None:
    words = np.frombuffer(b'["ada"]', np.uint8)
    numbers = np.ones(COUNT, np.int64)
    arrays = {"embeddings": embeddings(), "identity": numbers, "identity.names": words}
    save_file(arrays, tmp_path / "a.safetensors")
    gallery = open_gallery(tmp_path / "a.safetensors")
    with pytest.raises(FaceGeomError, match=r"'identity.names' is not the list of words"):
        gallery.labels()


def test_damaged_compression_is_named(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", embeddings=embeddings())
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[700:760] = bytes(60)
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(FaceGeomError, match=r"a\.npz.* Copy it again, or write it with numpy"):
        open_gallery(tmp_path / "a.npz").rows(0, COUNT)
