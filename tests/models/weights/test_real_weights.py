"""Published MobileFaceNets on real faces: known verification figures and known embeddings."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from facegeom_lit.geometry.verification import verify
from facegeom_lit.models import FaceModel, load_face_model

FILES = {
    "mobilefacenet_prelu_casia": "weights/mobilefacenet_prelu_casia/068.ckpt",
    "mobilefacenet_relu_ms1m": "weights/mobilefacenet_relu_ms1m/mobilefacenet.pt",
}
# Five points of the ArcFace template in a 112×112 crop.
TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
pytestmark = pytest.mark.slow


@torch.inference_mode()
def embed(model: FaceModel, images: Tensor) -> Tensor:
    return torch.cat([model(batch) for batch in images.split(100)])


def grey(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def as_batch(images: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def align(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Least-squares similarity of five points onto the template (Umeyama, PAMI 1991)."""
    cv2 = pytest.importorskip("cv2")
    source, target = landmarks.mean(0), TEMPLATE.mean(0)
    left, values, right = np.linalg.svd((TEMPLATE - target).T @ (landmarks - source))
    flip = np.array([1.0, np.sign(np.linalg.det(left @ right))])
    scale = (values * flip).sum() / ((landmarks - source) ** 2).sum()
    turn = scale * (left * flip) @ right
    matrix = np.hstack([turn, (target - turn @ source)[:, None]])
    return cv2.warpAffine(image, matrix, (112, 112), borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize(
    ("name", "auc"), [("mobilefacenet_prelu_casia", 0.9969), ("mobilefacenet_relu_ms1m", 0.9989)]
)
def test_att_gives_the_known_embeddings_and_figures(real_data: Path, name: str, auc: float) -> None:
    table = np.load(real_data / "embeddings" / "att.npz")
    faces = real_data / "faces" / "att"
    pairs = zip(table["image"], table["landmarks"].astype(float), strict=True)
    images = as_batch([align(grey(faces / str(path)), points) for path, points in pairs])
    model = load_face_model(real_data / FILES[name])
    assert model.card.name == name
    embeddings = embed(model, images)
    known = torch.from_numpy(table[name].astype(np.float32))
    assert float(torch.cosine_similarity(embeddings, known).min()) > 0.9995
    assert verify(embeddings, torch.from_numpy(table["identity"]))["auc"] == pytest.approx(
        auc, abs=1e-4
    )


@pytest.mark.parametrize(
    ("name", "auc"), [("mobilefacenet_prelu_casia", 0.9828), ("mobilefacenet_relu_ms1m", 0.9629)]
)
def test_yale_b_gives_the_known_figures(real_data: Path, name: str, auc: float) -> None:
    """Every eighth image (302); all 2,414 give 0.9698 and 0.9551, which takes a minute longer."""
    folder = real_data / "faces" / "yale_b"
    rows = list(csv.DictReader((folder / "labels.csv").open()))[::8]
    images = as_batch([grey(folder / "crops112" / row["path"]) for row in rows])
    labels = torch.tensor([int(row["identity"]) for row in rows])
    embeddings = embed(load_face_model(real_data / FILES[name]), images)
    assert verify(embeddings, labels)["auc"] == pytest.approx(auc, abs=1e-3)


def test_relu_network_agrees_with_its_onnx_export(real_data: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(
        str(real_data / "weights" / "mobilefacenet_relu_ms1m" / "MobileFaceNet.onnx")
    )
    model = load_face_model(real_data / FILES["mobilefacenet_relu_ms1m"])
    paths = sorted((real_data / "faces" / "yale_b" / "crops112").glob("*.png"))[::300]
    for path in paths:
        image = grey(path)
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        x = ((image / 255 - mean) / std).astype(np.float32).transpose(2, 0, 1)[None]
        expected = torch.from_numpy(session.run(None, {"input0": x})[0]).reshape(1, -1)
        found = embed(model, as_batch([image]))
        torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-3)


def test_other_weights_in_a_published_layout_are_not_the_published_ones(
    real_data: Path, tmp_path: Path
) -> None:
    state = torch.load(real_data / FILES["mobilefacenet_relu_ms1m"], "cpu", weights_only=True)
    torch.save({name: 1.01 * tensor for name, tensor in state.items()}, tmp_path / "mine.pt")
    published = load_face_model(real_data / FILES["mobilefacenet_relu_ms1m"]).card
    card = load_face_model(tmp_path / "mine.pt").card
    assert (published.name, card.name) == ("mobilefacenet_relu_ms1m", "mine")
    assert card.licence == "not stated in the file"
    assert "MS-Celeb" in published.source
    assert "MS-Celeb" not in card.source
    assert card.mean == published.mean
