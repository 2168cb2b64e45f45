from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces.detectors.scrfd import write_scrfd

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode
from facegeom_lit.faces.crop import mirrored_order
from facegeom_lit.faces.detectors import YuNet


@pytest.fixture
def yunet(real_data: Path) -> YuNet:
    return YuNet(str(next((real_data / "weights" / "yunet_detector").glob("*.onnx"))))


def test_it_finds_the_six_faces_of_insightfaces_picture(yunet: YuNet) -> None:
    insightface = pytest.importorskip("insightface")
    picture = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"
    image = decode(picture.read_bytes(), "t1.jpg")
    faces = pickle.loads(pickle.dumps(yunet)).detect(image)
    assert len(faces) == 6
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)
    for face in faces:
        left, top, right, bottom = face.box
        assert left < face.landmarks[0, 0] < face.landmarks[1, 0] < right
        assert top < face.landmarks[:2, 1].mean() < face.landmarks[3:, 1].mean() < bottom
        assert not mirrored_order(face.landmarks)


def test_a_photo_scaled_down_for_it_gives_places_in_the_photo(
    yunet: YuNet, real_data: Path
) -> None:
    image = decode((real_data / "faces" / "att" / "s1" / "1.pgm").read_bytes(), "1.pgm")
    (small,) = yunet.detect(image)
    (large,) = yunet.detect(cv2.resize(image, None, fx=10, fy=10))  # longer than 640
    assert np.abs(large.landmarks / 10 - small.landmarks).max() < 4
    assert yunet.detect(np.zeros((64, 64, 3), np.uint8)) == []


def test_a_file_that_is_no_yunet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"is no YuNet.*detector=insightface"):
        YuNet(str(write_scrfd(tmp_path / "det.onnx"))).check([])
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(FaceGeomError, match="is no ONNX file"):
        YuNet(str(tmp_path / "text.onnx")).check([])
    with pytest.raises(FaceGeomError, match=r"does not exist\. Set detector\.model"):
        YuNet(str(tmp_path / "absent.onnx")).check([])
    with pytest.raises(FaceGeomError, match=r"detector\.longest_side"):
        YuNet("a.onnx", longest_side=3)
