"""Reading, recognising and renaming weights that others published."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import build_backbone, load_face_model
from facegeom_lit.models.weights.read import read_state
from facegeom_lit.models.weights.rename import PRELU_NAMES, RELU_NAMES


def foreign(modules: dict[str, str], **arguments: object) -> dict[str, Tensor]:
    """A state dict in another layout: our network's tensors under the other names."""
    torch.manual_seed(0)
    theirs = {ours: name for name, ours in modules.items()}
    state = build_backbone("mobilefacenet", **arguments).state_dict()
    return {
        f"{theirs[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": tensor
        for name, tensor in state.items()
    }


@pytest.mark.parametrize("architecture", ["iresnet18", "iresnet34"])
def test_arcface_torch_iresnet_is_recognised(architecture: str, tmp_path: Path) -> None:
    backbone = build_backbone(architecture, dimension=64)
    path = tmp_path / "backbone.pth"
    torch.save(backbone.state_dict(), path)
    model = load_face_model(path)
    assert model.card.architecture == architecture
    assert model.card.dimension == 64
    assert "non-commercial" in model.card.licence
    assert torch.equal(model.backbone.fc.weight, backbone.fc.weight)


def test_arcface_torch_training_checkpoint_is_unwrapped(tmp_path: Path) -> None:
    backbone = build_backbone("mobilefacenet", scale=2, dimension=512)
    state = {f"module.{name}": tensor for name, tensor in backbone.state_dict().items()}
    torch.save({"epoch": 3, "state_dict_backbone": state}, tmp_path / "checkpoint_gpu_0.pt")
    model = load_face_model(tmp_path / "checkpoint_gpu_0.pt")
    assert model.card.arguments == {"dimension": 512, "scale": 2}


@pytest.mark.parametrize(
    ("modules", "arguments"),
    [(PRELU_NAMES, {"window": [7, 6]}), (RELU_NAMES, {"variant": "relu"})],
)
def test_foreign_layouts_are_renamed(modules: dict, arguments: dict, tmp_path: Path) -> None:
    state = foreign(modules, **arguments)
    last = "linear1.conv.weight" if modules is PRELU_NAMES else "conv3.weight"
    state[last] = state[last][:, :, None, None]
    torch.save({"net_state_dict": state}, tmp_path / "net.ckpt")
    model = load_face_model(tmp_path / "net.ckpt")
    torch.manual_seed(0)
    same = build_backbone("mobilefacenet", **arguments)
    for name, tensor in same.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], tensor), name


def test_mismatch_is_explained_tensor_by_tensor(tmp_path: Path) -> None:
    state = foreign(PRELU_NAMES, window=[7, 6])
    del state["blocks.3.conv.0.weight"]
    state["extra.weight"] = torch.zeros(2)
    state["conv2.conv.weight"] = torch.zeros(512, 64, 1, 1)
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(FaceGeomError) as caught:
        load_face_model(tmp_path / "net.pth")
    message = str(caught.value)
    assert "net.pth does not fit mobilefacenet" in message
    assert (
        "1 tensors missing: layers.3.layers.2.layers.0.layers.0.weight (128, 64, 1, 1)" in message
    )
    assert "1 tensors left over: extra.weight (2,)" in message
    assert "conv2.conv.weight (here conv_sep.layers.0.weight) expected (512, 128, 1, 1)" in message
    assert "found (512, 64, 1, 1)" in message


def test_long_lists_are_cut(tmp_path: Path) -> None:
    state = build_backbone("iresnet18", dimension=64).state_dict()
    torch.save({n: t for n, t in state.items() if "layer2.1" not in n}, tmp_path / "net.pth")
    # One block fewer is no known depth, hence no known layout.
    with pytest.raises(FaceGeomError, match="not a known one"):
        load_face_model(tmp_path / "net.pth")
    torch.save(
        {n: t for n, t in state.items() if "bn" not in n or "layer4" in n}, tmp_path / "b.pth"
    )
    with pytest.raises(FaceGeomError, match=r"tensors missing: .*, …"):
        load_face_model(tmp_path / "b.pth")


class Harmless:
    """Any Python object in a pickle is code that reading would run."""


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(1)}, "net": Harmless()}, tmp_path / "net.pt")
    with pytest.raises(FaceGeomError, match=r"net\.pt holds Python objects"):
        read_state(tmp_path / "net.pt")


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    good = tmp_path / "good.pth"
    torch.save({"a.weight": torch.zeros(1000)}, good)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(good.read_bytes()[:1500])
    legacy = tmp_path / "legacy.pth"
    torch.save({"a": torch.zeros(1000)}, legacy, _use_new_zipfile_serialization=False)
    legacy.write_bytes(legacy.read_bytes()[:2000])
    text = tmp_path / "text.pth"
    text.write_text("version https://git-lfs.github.com/spec/v1")
    empty = tmp_path / "empty.safetensors"
    empty.touch()
    for path in (cut, legacy, text, empty):
        with pytest.raises(FaceGeomError, match=f"{path.name} is truncated or is no weights file"):
            read_state(path)
    onnx = tmp_path / "model.onnx"
    onnx.touch()
    with pytest.raises(FaceGeomError, match=r"suffix '\.onnx'"):
        read_state(onnx)
    torch.save({"epoch": 1}, tmp_path / "none.pth")
    with pytest.raises(FaceGeomError, match=r"none\.pth holds no state dict.*\['epoch'\]"):
        read_state(tmp_path / "none.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(FaceGeomError, match="found list"):
        read_state(tmp_path / "list.pth")
