"""Folded batch norms get statistics back, and nothing else changes."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from reference.onnx_graphs import iresnet_onnx
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import (
    FaceModel,
    build_backbone,
    load_face_model,
    save_face_model,
    weights_hash,
)
from facegeom_lit.models.weights.calibrate import FOLDED, calibrate_batch_norm


def crops(count: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 8, 8, generator=draw) * 255
    return nn.functional.interpolate(coarse, 112, mode="bilinear")


def norms(model: FaceModel) -> dict[str, nn.Module]:
    kinds = nn.BatchNorm1d | nn.BatchNorm2d
    return {name: m for name, m in model.backbone.named_modules() if isinstance(m, kinds)}


@torch.no_grad()
def disagreement(model: FaceModel, images: Tensor) -> float:
    """One minus the mean cosine between embeddings in training and in evaluation mode."""
    saved = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trained, evaluated = model.train()(images), model.eval()(images)
    model.load_state_dict(saved)
    return 1 - float(torch.cosine_similarity(trained, evaluated).mean())


def trained(architecture: str, path: Path) -> Path:
    """A network whose statistics fit its activations, exported in evaluation mode."""
    torch.manual_seed(0)
    quick = {"iresnet18": {"stem_stride": 2, "width": 0.25}, "mobilefacenet": {"width": 0.125}}
    backbone = build_backbone(architecture, dimension=32, **quick[architecture])
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backbone((crops(32) - 127.5) / 127.5)
        example = torch.zeros(1, 3, 112, 112)
        torch.onnx.export(backbone.eval(), (example,), path, dynamo=False)
    return path


@pytest.mark.parametrize("architecture", ["iresnet18", "mobilefacenet"])
def test_embeddings_stay_and_training_mode_becomes_sane(architecture: str, tmp_path: Path) -> None:
    model = load_face_model(trained(architecture, tmp_path / "net.onnx"))
    images = crops(32)
    with torch.no_grad():
        before = model(images)
    unlike = disagreement(model, images)
    other = {n: m.running_var.clone() for n, m in norms(model).items() if m.running_mean.any()}
    assert model.card.training[FOLDED]
    count = calibrate_batch_norm(model, images.split(24))
    assert count == len(norms(model)) - len(other) > 15
    assert FOLDED not in model.card.training
    assert not model.training
    with torch.no_grad():
        scale = float(before.abs().max())
        torch.testing.assert_close(model(images) / scale, before / scale, atol=1e-5, rtol=0)
    for name, module in norms(model).items():
        assert bool(module.running_mean.any()), name
        if name in other:
            assert torch.equal(module.running_var, other[name])
    assert disagreement(model, images) < 0.01 < 0.1 < unlike
    assert calibrate_batch_norm(model, []) == 0  # nothing is folded any more
    save_face_model(model, tmp_path / "model")
    assert weights_hash(load_face_model(tmp_path / "model")) == weights_hash(model)


def test_statistics_are_those_of_the_activations(tmp_path: Path) -> None:
    model = load_face_model(iresnet_onnx(tmp_path / "net.onnx"))
    images = crops(40)
    with torch.no_grad():
        stem = model.backbone.conv1((images - 127.5) / 127.5)
        embedded = model.backbone.bn1(stem)
    calibrate_batch_norm(model, images.split(16))
    norm = model.backbone.bn1
    torch.testing.assert_close(norm.running_mean, stem.mean((0, 2, 3)), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(norm.running_var, stem.var((0, 2, 3)), atol=1e-5, rtol=1e-3)
    with torch.no_grad():
        torch.testing.assert_close(norm(stem), embedded, atol=1e-5, rtol=1e-4)


def test_after_training_in_evaluation_mode_too(tmp_path: Path) -> None:
    """Frozen statistics do not freeze weight and bias: what moved must be kept."""
    model = load_face_model(trained("mobilefacenet", tmp_path / "m.onnx"))
    for norm in norms(model).values():
        nn.init.uniform_(norm.weight, 0.9, 1.1)
    images = crops(64)
    before = model(images).detach()
    apart = disagreement(model, images)
    model.eval()
    # the last norm stands in the file with its statistics, which are no longer quite right
    assert calibrate_batch_norm(model, images.split(32)) == len(norms(model)) - 1
    torch.testing.assert_close(model(images).detach(), before, rtol=1e-4, atol=1e-4)
    assert disagreement(model, images) < 0.03 < 0.1 < apart


def test_modes_and_errors(tmp_path: Path) -> None:
    model = load_face_model(iresnet_onnx(tmp_path / "net.onnx")).train()
    before = weights_hash(model)
    with pytest.raises(FaceGeomError, match="at least 32 crops, got 16"):
        calibrate_batch_norm(model, [crops(16)])
    with pytest.raises(FaceGeomError, match="before bn1 that are not finite"):
        calibrate_batch_norm(model, [torch.full((32, 3, 112, 112), float("nan"))])
    assert model.training
    assert weights_hash(model) == before
    assert model.card.training[FOLDED]


def test_models_with_their_own_statistics_are_left_alone(tmp_path: Path) -> None:
    model = load_face_model(iresnet_onnx(tmp_path / "net.onnx", folded=False))
    before = weights_hash(model)
    assert calibrate_batch_norm(model, []) == 0
    assert weights_hash(model) == before
