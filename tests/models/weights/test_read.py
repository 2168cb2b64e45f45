"""Weights files that are damaged, hostile, or hold more than weights."""

from __future__ import annotations

import argparse
import gzip
import os
import struct
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference import published_shapes as published
from safetensors.torch import save_file
from torch import nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import load_face_model
from facegeom_lit.models.weights.read import read_checkpoint, read_state

GOOD = {"a.weight": torch.arange(1000.0)}


class Harmless:
    """Any Python object in a pickle is code that reading would run."""


class Calls:
    """Unpickling this plainly calls a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def rezip(source: Path, target: Path, kind: int, **changes: bytes) -> None:
    """Write a zip again, its entries changed by their last name."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", kind) as new:
        for name in old.namelist():
            new.writestr(name, changes.get(name.rpartition("/")[2], old.read(name)))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    torch.save(GOOD, tmp_path / "good.pth")
    return tmp_path / "good.pth"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("function", [os.system, eval, exec, os.remove])
def test_code_in_a_pickle_is_not_run(function: Any, zipped: bool, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    argument = f"open({str(marker)!r}, 'w')" if function in (eval, exec) else f"touch {marker}"
    content = {"state_dict": GOOD, "extra": Calls(function, argument)}
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        FaceGeomError, match=r"net\.pth (holds Python objects|is truncated or is no)"
    ):
        read_state(tmp_path / "net.pth")
    assert not marker.exists()


def test_objects_of_training_scripts_are_ignored_and_nothing_of_theirs_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Lightning, argparse and NumPy leave in a checkpoint does not stand in the way."""
    parsing = types.ModuleType("pytorch_lightning.utilities.parsing")
    called = []

    class AttributeDict(dict):
        def __setstate__(self, state: object) -> None:
            called.append(state)

    class ModelCheckpoint:
        def __setstate__(self, state: object) -> None:
            called.append(state)

    for kind in (AttributeDict, ModelCheckpoint):
        kind.__module__, kind.__qualname__ = parsing.__name__, kind.__name__
        setattr(parsing, kind.__name__, kind)
    for name in ("pytorch_lightning", "pytorch_lightning.utilities"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, parsing.__name__, parsing)
    written = tmp_path / "written.npy"
    checkpoint = ModelCheckpoint()
    checkpoint.best = 0.5
    torch.save(
        {
            "state_dict": GOOD,
            "hyper_parameters": AttributeDict(lr=0.1, m=0.4),
            "callbacks": {ModelCheckpoint: {"best": np.float64(0.5)}, "c": checkpoint},
            "args": argparse.Namespace(arch="ir_50"),
            "root": Path("data"),
            "array": np.arange(3),
            "call": Calls(np.save, str(written), 1),
            "epoch": 3,
        },
        tmp_path / "last.ckpt",
    )
    found = read_checkpoint(tmp_path / "last.ckpt")
    assert torch.equal(found.state["a.weight"], GOOD["a.weight"])
    assert found.aside == ("hyper_parameters", "callbacks", "args", "root", "array", "call")
    assert called == []
    assert not written.exists()


def test_other_objects_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": GOOD, "net": Harmless()}, tmp_path / "net.pt")
    with pytest.raises(FaceGeomError, match=r"net\.pt holds Python objects"):
        read_state(tmp_path / "net.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(FaceGeomError, match=r"module\.pt holds Python objects"):
        read_state(tmp_path / "module.pt")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty.pth": lambda data: b"",
    "cut.pth": lambda data: data[:1500],
    "half.pth": lambda data: data[: len(data) // 2],
    "tail.pth": lambda data: data[-1000:],
    "text.pth": lambda data: b"version https://git-lfs.github.com/spec/v1",
    "page.pth": lambda data: b"<!DOCTYPE html><html>Quota exceeded</html>",
    "gzip.pth": gzip.compress,
    # An end record that says that the archive goes on elsewhere.
    "disks.pth": lambda data: data[:-42] + b"PK\x06\x07" + b"\x07" * 16 + data[-22:],
    "noise.bin": lambda data: bytes(range(256)) * 20,
    "zeros.pt": lambda data: bytes(5000),
    "header.safetensors": lambda data: (
        struct.pack("<Q", 40) + b'{"a": {"dtype": "F32", "shape": [1'
    ),
    "length.safetensors": lambda data: struct.pack("<Q", 2**60) + b"{}",
    "nothing.safetensors": lambda data: b"",
    "pickle.safetensors": lambda data: data,
    "offsets.safetensors": lambda data: (
        struct.pack("<Q", 60)
        + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,999999]}}'.ljust(60)
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files_are_named(name: str, good: Path, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(DAMAGE[name](good.read_bytes()))
    with pytest.raises(FaceGeomError, match=f"{name} is truncated or is no weights file"):
        read_state(path)


def test_legacy_format_is_read_and_its_truncation_seen(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(GOOD, path, _use_new_zipfile_serialization=False)
    assert torch.equal(read_state(path)["a.weight"], GOOD["a.weight"])
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FaceGeomError, match=r"old\.pth is truncated"):
        read_state(path)


def test_archives_that_unpack_to_more_than_they_are_are_refused(good: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2_000_000)}, tmp_path / "zeros.pth")
    rezip(tmp_path / "zeros.pth", tmp_path / "bomb.pth", zipfile.ZIP_DEFLATED)
    assert (tmp_path / "bomb.pth").stat().st_size < 50_000
    with pytest.raises(FaceGeomError, match=r"bomb\.pth claims to hold 8,0.* bytes"):
        read_state(tmp_path / "bomb.pth")
    # A pickle that says that its one number is a thousand million.
    torch.save({"a": torch.zeros(1).expand(1_000_000_000)}, tmp_path / "spread.pth")
    with pytest.raises(FaceGeomError, match=r"spread\.pth claims to hold 4,000,000,00\d bytes"):
        read_state(tmp_path / "spread.pth")
    with zipfile.ZipFile(good) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        pickled = archive.read(name)
    # The stored numbers are fewer than the pickle says.
    more = pickled.replace(b"M\xe8\x03", b"M\xff\xff")
    assert more != pickled
    rezip(good, tmp_path / "more.pth", zipfile.ZIP_STORED, **{"data.pkl": more})
    with pytest.raises(FaceGeomError, match=r"more\.pth is truncated"):
        read_state(tmp_path / "more.pth")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_programs_are_refused(tmp_path: Path) -> None:
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(tmp_path / "script.pt")
    with pytest.raises(FaceGeomError, match=r"script\.pt is a TorchScript program"):
        read_state(tmp_path / "script.pt")


CONTENTS: dict[str, tuple[Any, str]] = {
    "empty": ({}, r"holds no state dict.*found \[\]"),
    "counter": ({"epoch": 1}, r"holds no state dict.*\['epoch'\]"),
    "list": ([torch.zeros(1)], "found list"),
    "tensor": (torch.zeros(3), "found Tensor"),
    "number": (3, "found int"),
    "mixed": ({"a": torch.zeros(1), "lr": 0.1}, r"tensors, but also \['lr'\]"),
    "nested": ({"net": {"layer": {"a": torch.zeros(1)}}}, "holds no state dict"),
    "numbered": ({0: torch.zeros(1)}, "names are no text"),
    "sparse": ({"a": torch.eye(3).to_sparse()}, "a is sparse, quantised"),
    "hollow": ({"a": torch.zeros(0, 10**9)}, r"a is empty, \(0, 1000000000\)"),
    "virtual": ({"a": torch.zeros(3, device="meta")}, "a is sparse, quantised or without values"),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_that_are_no_state_dict_are_named(name: str, tmp_path: Path) -> None:
    content, message = CONTENTS[name]
    torch.save(content, tmp_path / f"{name}.pth")
    with pytest.raises(FaceGeomError, match=rf"{name}\.pth.*({message})"):
        read_state(tmp_path / f"{name}.pth")


def test_what_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"absent\.pth does not exist"):
        read_state(tmp_path / "absent.pth")
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(FaceGeomError, match=r"folder\.pth is a folder"):
        read_state(tmp_path / "folder.pth")
    with pytest.raises(FaceGeomError, match="holds no face model"):
        load_face_model(tmp_path / "folder.pth")
    (tmp_path / "model.h5").touch()
    with pytest.raises(FaceGeomError, match=r"suffix '\.h5'"):
        read_state(tmp_path / "model.h5")


def test_values_that_are_not_finite_are_named(tmp_path: Path) -> None:
    state = published.random_state(published.mobilefacenet(64))
    state["conv_4.model.2.project.bn.bias"][3] = float("nan")
    save_file(state, tmp_path / "net.safetensors")
    with pytest.raises(FaceGeomError, match=r"not finite in conv_4\.model\.2\.project\.bn\.bias"):
        load_face_model(tmp_path / "net.safetensors")


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    state = published.random_state(published.mobilefacenet(64))
    half = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    half["conv1.bn.num_batches_tracked"] = torch.ones(5)  # which no network computes with
    torch.save(half, tmp_path / "net.pth")
    model = load_face_model(tmp_path / "net.pth")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model.backbone.features.layers[2].weight, half["linear.weight"].float())
