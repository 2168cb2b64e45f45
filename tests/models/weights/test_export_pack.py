"""Packs load in InsightFace's `FaceAnalysis` and give the model's embeddings."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from models.weights.tiny_detector import POINTS, write_detector
from onnx import TensorProto, helper

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel, load_face_model
from facegeom_lit.models.weights.export_pack import export_pack
from facegeom_lit.models.weights.yunet_as_scrfd import yunet_as_scrfd
from facegeom_lit.resources import resource

YUNET = Path("weights/yunet_detector/face_detection_yunet_2026may.onnx")


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_face_model(resource("data") / "models" / "iresnet_small")


@pytest.fixture
def detector(tmp_path: Path) -> Path:
    return write_detector(tmp_path / "det.onnx")


def analysis(name: str, root: Path):
    app = pytest.importorskip("insightface.app").FaceAnalysis(
        name=name, root=str(root), providers=["CPUExecutionProvider"]
    )
    app.prepare(ctx_id=-1, det_size=(128, 128))
    return app


@pytest.mark.filterwarnings("ignore:`estimate` is deprecated")
def test_a_face_found_gets_the_models_embedding(
    model: FaceModel, detector: Path, tmp_path: Path
) -> None:
    report = export_pack(model, tmp_path / "root", "mine", detector)
    assert report.onnxruntime.min_cosine > 0.999999
    folder = tmp_path / "root" / "models" / "mine"
    assert sorted(file.name for file in folder.iterdir()) == ["det.onnx", "w_mine.onnx"]
    assert (folder / "det.onnx").read_bytes() == detector.read_bytes()
    image = np.random.default_rng(0).integers(0, 200, (128, 128, 3), dtype=np.uint8)
    image[64:96, 32:64] = 255
    (face,) = analysis("mine", tmp_path / "root").get(image)
    np.testing.assert_allclose(face.kps, POINTS + np.array([32, 64]), atol=1e-3)
    np.testing.assert_allclose(face.bbox, [0, 32, 64, 96], atol=1e-3)
    align = pytest.importorskip("insightface.utils.face_align")
    crop = align.norm_crop(image, face.kps)[..., ::-1].copy()
    with torch.inference_mode():
        wanted = model(torch.from_numpy(crop).permute(2, 0, 1)[None])[0]
    cosine = torch.cosine_similarity(torch.from_numpy(face.embedding), wanted, dim=0)
    assert float(cosine) > 0.999999


def test_writing_again_replaces_the_pack(model: FaceModel, detector: Path, tmp_path: Path) -> None:
    for _ in range(2):
        export_pack(model, tmp_path, "mine", detector)
    assert sorted(file.name for file in (tmp_path / "models").iterdir()) == ["mine"]
    # ... also with the detector in the pack itself
    export_pack(model, tmp_path, "mine", tmp_path / "models" / "mine" / "det.onnx")
    assert len(list((tmp_path / "models" / "mine").iterdir())) == 2


def test_detector_of_another_suffix(model: FaceModel, detector: Path, tmp_path: Path) -> None:
    export_pack(model, tmp_path / "root", "mine", detector.rename(tmp_path / "scrfd.bin"))
    files = (tmp_path / "root" / "models" / "mine").iterdir()
    assert sorted(file.name for file in files) == ["scrfd.onnx", "w_mine.onnx"]


def test_a_folder_with_other_files_is_left_alone(
    model: FaceModel, detector: Path, tmp_path: Path
) -> None:
    other = tmp_path / "models" / "mine" / "w600k_r50.onnx"
    other.parent.mkdir(parents=True)
    other.touch()
    with pytest.raises(FaceGeomError, match=r"holds w600k_r50\.onnx, .* another name="):
        export_pack(model, tmp_path, "mine", detector)
    assert [file.name for file in other.parent.iterdir()] == [other.name]


def test_what_is_no_detector(model: FaceModel, tmp_path: Path) -> None:
    six = write_detector(tmp_path / "six.onnx", outputs=6)
    text = tmp_path / "text.onnx"
    text.write_text("version https://git-lfs.github.com/spec/v1")
    nine = tmp_path / "nine.onnx"  # the right number of outputs, and no detector all the same
    shape = [1, 3, None, None]
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    outputs = [helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, shape) for i in range(9)]
    nodes = [helper.make_node("Identity", ["x"], [f"y{i}"]) for i in range(9)]
    opset = [helper.make_opsetid("", 11)]
    graph = helper.make_graph(nodes, "nine", [source], outputs)
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=6), nine)
    for path, message in (
        (six, "no face detector .* it has 6 outputs"),
        (text, "is damaged, or is no ONNX file"),
        (tmp_path / "none.onnx", "does not exist"),
        (nine, "does not run as a face detector in insightface"),
    ):
        with pytest.raises(FaceGeomError, match=message):
            export_pack(model, tmp_path / "root", "mine", path)
    assert not list(tmp_path.glob("root/models/*"))


@pytest.mark.parametrize("name", ["", "../mine", "a/b", ".mine", "my pack"])
def test_names_that_are_none(name: str, model: FaceModel, detector: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="pack's name"):
        export_pack(model, tmp_path, name, detector)


def test_detector_named_like_the_model(model: FaceModel, detector: Path, tmp_path: Path) -> None:
    shutil.copy(detector, tmp_path / "w_mine.onnx")
    with pytest.raises(FaceGeomError, match="rename it"):
        export_pack(model, tmp_path, "mine", tmp_path / "w_mine.onnx")


@pytest.mark.filterwarnings("ignore:`estimate` is deprecated")
def test_yunet_finds_the_faces_that_opencv_finds(
    model: FaceModel, real_data: Path, tmp_path: Path
) -> None:
    insightface = pytest.importorskip("insightface")
    picture = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"
    image = cv2.resize(cv2.imread(str(picture)), None, fx=0.5, fy=0.5)
    canvas = np.zeros((640, 640, 3), np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    export_pack(model, tmp_path, "mine", real_data / YUNET)
    app = analysis("mine", tmp_path)
    app.prepare(ctx_id=-1, det_thresh=0.6, det_size=(640, 640))
    found = sorted(app.get(canvas), key=lambda face: face.bbox[0])
    opencv = cv2.FaceDetectorYN.create(str(real_data / YUNET), "", (640, 640), 0.6, 0.4)
    wanted = sorted(opencv.detect(canvas)[1], key=lambda row: row[0])
    assert len(found) == len(wanted) == 6
    for face, row in zip(found, wanted, strict=True):
        np.testing.assert_allclose(face.kps.ravel(), row[4:14], atol=0.01)
        np.testing.assert_allclose(face.bbox[:2], row[:2], atol=0.01)
        np.testing.assert_allclose(face.bbox[2:], row[:2] + row[2:4], atol=0.01)
        assert face.det_score == pytest.approx(row[14], abs=1e-4)


def test_yunet_file_itself_is_left_as_it_is(real_data: Path) -> None:
    original = onnx.load(real_data / YUNET)
    before = original.SerializeToString()
    onnx.checker.check_model(yunet_as_scrfd(original))
    assert original.SerializeToString() == before
