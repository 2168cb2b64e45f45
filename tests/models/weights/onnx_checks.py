"""What the tests of ONNX files share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor

from facegeom_lit.models import (
    FaceModel,
    load_face_model,
    save_face_model,
    weights_hash,
)


def faces(count: int = 3) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, 112, 112), dtype=torch.uint8, generator=draw)


def runtime(path: Path, x: Tensor) -> Tensor:
    """Embeddings of normalised images as onnxruntime gives them, one by one."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: image[None].numpy()})[0].reshape(-1) for image in x]
    return torch.from_numpy(np.stack(rows))


@torch.no_grad()
def assert_same(path: Path, model: FaceModel) -> None:
    """In a batch, our network gives what onnxruntime gives image by image."""
    x = torch.randn(3, 3, *model.card.size, generator=torch.Generator().manual_seed(1))
    expected = runtime(path, x)
    found = model.backbone(x)
    scale = float(expected.abs().max())
    torch.testing.assert_close(found / scale, expected / scale, atol=1e-5, rtol=0)
    assert float(torch.cosine_similarity(found, expected).min()) > 0.99999


def assert_trains(model: FaceModel) -> None:
    """Gradients reach every parameter, and one step changes the embeddings."""
    before = model(faces())
    (before**3).sum().backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert bool((parameter.grad != 0).any()), name
    parameters = [p for p in model.parameters() if p.requires_grad]
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    torch.optim.SGD(parameters, lr=0.1).step()
    assert not torch.allclose(model(faces()), before)


def assert_stored(model: FaceModel, folder: Path) -> None:
    """Saving and loading keeps hash, card and embeddings."""
    save_face_model(model, folder)
    loaded = load_face_model(folder)
    assert loaded.card == model.card
    assert weights_hash(loaded) == weights_hash(model)
    with torch.no_grad():
        assert torch.equal(loaded(faces()), model(faces()))


def edited(source: Path, target: Path, edit: object) -> Path:
    model = onnx.load(source)
    edit(model)  # type: ignore[operator]
    onnx.save(model, target)
    return target
