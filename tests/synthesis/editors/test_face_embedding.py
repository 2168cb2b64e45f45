from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthesis.editors import tiny_pipelines

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.editors.face_embedding import FaceEmbedding


def field(number: int, value: int | str | bytes) -> bytes:
    """Encode one field of a protocol buffer; ONNX's own package would be one more to install."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    content = value.encode() if isinstance(value, str) else value
    assert len(content) < 2**14
    return bytes([number << 3 | 2, len(content) & 127 | 128, len(content) >> 7]) + content


def tensor(name: str, *shape: str | int) -> bytes:
    sides = [field(1, field(1 if isinstance(side, int) else 2, side)) for side in shape]
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, b"".join(sides))))


def mean_color(path: Path) -> Path:
    """Write a network that gives the mean of each channel."""
    pool = field(1, "input") + field(2, "pooled") + field(4, "GlobalAveragePool")
    flat = field(1, "pooled") + field(2, "embedding") + field(4, "Flatten")
    graph = field(1, pool) + field(1, flat) + field(2, "tiny")
    graph += field(11, tensor("input", "batch", 3, 112, 112))
    graph += field(12, tensor("embedding", "batch", 3))
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 17)))
    return path


def test_an_onnx_model_is_fed_as_insightface_feeds_it(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    face = FaceEmbedding(str(mean_color(tmp_path / "model.onnx")))
    photos = np.zeros((2, 112, 112, 3), np.uint8)
    photos[0, ..., 0] = 255
    expected = np.array([[1, -1, -1], [-1, -1, -1]]) / 3**0.5
    np.testing.assert_allclose(face(list(photos)), expected, rtol=1e-6)
    assert len(face.hash) == 12 + 64


def test_a_model_of_this_project(tmp_path: Path) -> None:
    face = FaceEmbedding(str(tiny_pipelines.face_model(tmp_path / "model")))
    embedding = face([np.zeros((112, 112, 3), np.uint8)])
    assert embedding.shape == (1, tiny_pipelines.FACE)
    np.testing.assert_allclose(embedding.norm(dim=1), 1, rtol=1e-6)
    assert len(face.hash) == 12 + 64


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"editor\.face_model=nowhere: there is no such file"):
        FaceEmbedding("nowhere")
    pytest.importorskip("onnxruntime")
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(FaceGeomError, match=r"model\.onnx is damaged, or is no ONNX file"):
        FaceEmbedding(str(tmp_path / "model.onnx"))([np.zeros((112, 112, 3), np.uint8)])
