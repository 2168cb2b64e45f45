"""From a published kind of ONNX to a trained model and back to ONNX, judged by InsightFace.

`pytest -s -m slow` on this file prints the agreement for graphs of the published sizes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from reference.onnx_graphs import (
    iresnet_onnx,
    mobilefacenet_onnx,
    shuffle_onnx,
    squeeze_excite_onnx,
)
from torch import Tensor

from facegeom_lit.models import FaceModel, load_face_model
from facegeom_lit.models.heads import ArcFace
from facegeom_lit.models.weights.export_onnx import export_onnx

SMALL = {
    "iresnet18": lambda path: iresnet_onnx(path),
    "iresnet18, 0-255 inside": lambda path: iresnet_onnx(path, normalises=True),
    "mobilefacenet": lambda path: mobilefacenet_onnx(path),
    "mobilefacenet, view": lambda path: mobilefacenet_onnx(path, flatten="view"),
}
PUBLISHED = {
    "w600k_r50": lambda path: iresnet_onnx(
        path, blocks=(3, 4, 14, 3), channels=(64, 64, 128, 256, 512), dimension=512
    ),
    "w600k_mbf": lambda path: mobilefacenet_onnx(
        path, blocks=(2, 8, 12, 4), width=1, dimension=512
    ),
}


def in_insightface(path: Path, images: Tensor) -> Tensor:
    """Embeddings of RGB crops as InsightFace makes them, from BGR pictures, one by one."""
    zoo = pytest.importorskip("insightface.model_zoo")
    network = zoo.get_model(str(path), providers=["CPUExecutionProvider"])
    assert network.taskname == "recognition"
    pictures = [np.ascontiguousarray(image.permute(1, 2, 0).numpy()[..., ::-1]) for image in images]
    return torch.cat([torch.from_numpy(network.get_feat(picture)) for picture in pictures])


def cosines(first: Tensor, second: Tensor) -> Tensor:
    return torch.cosine_similarity(first.double(), second.double())


def one_step(model: FaceModel, images: Tensor, labels: Tensor) -> None:
    """One step of ArcFace on every parameter; batch norms, which were folded, stand still."""
    head = ArcFace(model.card.dimension, int(labels.max()) + 1)
    parameters = [p for p in [*model.parameters(), *head.parameters()] if p.requires_grad]
    loss = torch.nn.functional.cross_entropy(head(model(images), labels), labels)
    loss.backward()
    assert all(p.grad is not None for p in parameters)
    torch.optim.AdamW(parameters, lr=1e-3).step()


def round_trip(original: Path, images: Tensor, labels: Tensor) -> Path:
    """Import, train, export; check both ends. Returns the exported file."""
    model = load_face_model(original)
    published = in_insightface(original, images)
    with torch.inference_mode():
        imported = cosines(published, model(images))
    one_step(model, images, labels)
    with torch.inference_mode():
        trained = model(images)
    moved = cosines(published, trained)
    assert float(moved.max()) < 0.9999
    exported = original.with_name("trained.onnx")
    report = export_onnx(model, exported, faces=images)
    back = cosines(in_insightface(exported, images), trained)
    with torch.inference_mode():
        again = cosines(load_face_model(exported)(images), trained)
    print(
        f"\n{original.stem} becomes {model.card.architecture}; "
        f"smallest cosine: imported {imported.min():.7f}, exported {back.min():.7f}, "
        f"imported again {again.min():.7f}; moved by the step to {moved.mean():.4f}; "
        f"largest difference {report.insightface.max_difference / float(trained.abs().max()):.1e} "
        "of the largest coordinate"
    )
    assert min(float(c.min()) for c in (imported, back, again)) >= 0.9999
    return exported


def noise(count: int = 4) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, 112, 112), dtype=torch.uint8, generator=draw)


@pytest.mark.parametrize("kind", SMALL)
def test_small_graphs(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = SMALL[kind](tmp_path / "original.onnx")
    round_trip(original, noise(), torch.tensor([0, 0, 1, 1]))


@pytest.mark.filterwarnings("ignore:.*none of the known architectures")
@pytest.mark.parametrize("make", [shuffle_onnx, squeeze_excite_onnx])
def test_graphs_of_no_known_architecture(make, tmp_path: Path) -> None:
    """They come back as the graphs that they were; the first takes one image at a time."""
    torch.manual_seed(0)
    exported = round_trip(make(tmp_path / "odd.onnx"), noise(), torch.tensor([0, 0, 1, 1]))
    assert load_face_model(exported).card.architecture == "onnx_graph"


@pytest.mark.slow
@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_sizes_on_real_crops(kind: str, real_data: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    files = sorted((real_data / "faces" / "yale_b" / "crops112").rglob("*.png"))[::600]
    pictures = [np.array(Image.open(file).convert("RGB")) for file in files]
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    original = PUBLISHED[kind](tmp_path / f"{kind}.onnx")
    round_trip(original, images, torch.arange(len(images)))
