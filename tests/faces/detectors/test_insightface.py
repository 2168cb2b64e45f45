from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from faces.detectors.scrfd import POINTS, REACH, SIDE, write_scrfd

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.detectors import InsightFaceDetector

pytest.importorskip("insightface")


def photo(*corners: tuple[int, int], cell: int = 16) -> np.ndarray:
    """A photo of 256×256, grey, with white cells at (x, y): twice the detector's input."""
    image = np.full((2 * SIDE, 2 * SIDE, 3), 100, np.uint8)
    for x, y in corners:
        image[y : y + cell, x : x + cell] = 255
    return image


def test_faces_come_in_pixels_of_the_photo(tmp_path: Path) -> None:
    detector = InsightFaceDetector(str(write_scrfd(tmp_path / "det.onnx")))
    (face,) = detector.detect(photo((96, 160)))
    assert np.allclose(face.landmarks, [96, 160] + 2 * POINTS, atol=1e-3)
    assert np.allclose(face.box, [96 - 32, 160 - 32, 96 + 32, 160 + 32])
    assert 2 * REACH == 32
    assert face.score == pytest.approx(127.5 / 128)
    assert len(detector.detect(photo((32, 32), (160, 160)))) == 2
    assert detector.detect(photo()) == []


def test_it_travels_to_other_processes(tmp_path: Path) -> None:
    detector = InsightFaceDetector(str(write_scrfd(tmp_path / "det.onnx")), sizes=[128])
    assert len(detector.detect(photo((96, 96)))) == 1
    copy = pickle.loads(pickle.dumps(detector))
    assert copy.facts() == detector.facts()
    assert len(copy.detect(photo((96, 96)))) == 1


def test_a_packs_detector_is_found_by_folder_or_name(tmp_path: Path) -> None:
    pack = tmp_path / "models" / "mine"
    pack.mkdir(parents=True)
    write_scrfd(pack / "det_mine.onnx")
    by_name = InsightFaceDetector("mine", root=str(tmp_path))
    assert by_name.file() == InsightFaceDetector(str(pack)).file() == pack / "det_mine.onnx"
    by_name.check([])


def test_a_missing_pack_is_named_and_nothing_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    with pytest.raises(FaceGeomError, match=r"no InsightFace pack 'buffalo_l'.*Packs there: mine"):
        InsightFaceDetector("buffalo_l", root=str(tmp_path)).check([])
    with pytest.raises(FaceGeomError, match="holds no face detector; there is no ONNX file"):
        InsightFaceDetector("mine", root=str(tmp_path)).check([])
    assert [path.name for path in tmp_path.rglob("*")] == ["models", "mine"]


def test_a_file_that_is_no_such_detector_is_refused(tmp_path: Path) -> None:
    boxes = write_scrfd(tmp_path / "boxes.onnx", points=False)
    with pytest.raises(FaceGeomError, match="boxes only, without the five points"):
        InsightFaceDetector(str(boxes)).check([])
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(FaceGeomError, match="is no ONNX file"):
        InsightFaceDetector(str(tmp_path / "text.onnx")).check([])
    with pytest.raises(FaceGeomError, match="does not exist"):
        InsightFaceDetector(str(tmp_path / "absent.onnx")).check([])
    with pytest.raises(FaceGeomError, match=r"detector\.sizes"):
        InsightFaceDetector("mine", sizes=(100,))
    with pytest.raises(FaceGeomError, match=r"detector\.min_score"):
        InsightFaceDetector("mine", min_score=1.5)


def test_a_recognition_model_is_no_detector(real_data: Path) -> None:
    model = real_data / "weights" / "mobilefacenet_relu_ms1m" / "MobileFaceNet.onnx"
    with pytest.raises(FaceGeomError, match="is no InsightFace detector: it has 1 outputs"):
        InsightFaceDetector(str(model)).check([])
