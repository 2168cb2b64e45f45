"""Damaged and forged weights files, other than by their pickles."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hostile.cases import Build, add, hostile, written
from hostile.pickles import touch

GOOD = {"conv.weight": torch.ones(64, 64, 3, 3), "bn.bias": torch.zeros(64)}


def saved(content: Any = GOOD, **options: Any) -> bytes:
    """The bytes that `torch.save` writes."""
    out = io.BytesIO()
    torch.save(content, out, **options)
    return out.getvalue()


def rezipped(data: bytes, change: Callable[[str, bytes], bytes], kind: int = 0) -> bytes:
    """An archive with its entries changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", kind) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


for percent in (0, 1, 10, 50, 90, 99):
    whole = saved()
    add(f"cut at {percent}%", "model", written("net.pth", whole[: len(whole) * percent // 100]))
    whole = saved(_use_new_zipfile_serialization=False)
    add(f"old, cut at {percent}%", "model", written("a.ckpt", whole[: len(whole) * percent // 100]))
add("git lfs pointer", "model", written("net.bin", b"version https://git-lfs.github.com/spec/v1\n"))
add("web page", "model", written("net.pt", b"<!DOCTYPE html><title>Quota exceeded</title>"))


@hostile("model")
def zip_bomb(folder: Path) -> Path:
    """4 GB of zeros where a tensor of 147 kB is."""
    path = folder / "net.pth"
    with (
        zipfile.ZipFile(io.BytesIO(saved())) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            if name.endswith("data/0"):
                with new.open(name, "w", force_zip64=True) as entry:
                    for _ in range(256):
                        entry.write(bytes(1 << 20))
            else:
                new.writestr(name, old.read(name))
    return path


def huge_shape(name: str, data: bytes) -> bytes:
    """State 2 to the 31 - 1 rows instead of 64."""
    return data.replace(b"K@K@K\x03K\x03", b"J\xff\xff\xff\x7fK@K\x03K\x03")


add("rows without data", "model", written("net.pth", rezipped(saved(), huge_shape)))


@hostile("model")
def stretched_tensor(folder: Path) -> Path:
    """One number shown as 10^12."""
    torch.save({"w": torch.ones(1).expand(10**6, 10**6)}, folder / "net.pth")
    return folder / "net.pth"


@hostile("model")
def torchscript(folder: Path) -> Path:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder / "net.pt")
    return folder / "net.pt"


@hostile("model")
def whole_module(folder: Path) -> Path:
    torch.save(torch.nn.Linear(2, 2), folder / "net.pth")
    return folder / "net.pth"


def entries(*given: tuple[str, Any], size: int = 64) -> bytes:
    """A .safetensors file whose header may say a name twice."""
    header = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(fact)}" for name, fact in given) + "}"
    return struct.pack("<Q", len(header)) + header.encode() + bytes(size)


def tensor(shape: list[int], *offsets: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": list(offsets)}


SAFETENSORS: dict[str, bytes] = {
    "header of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "header of 2^64 - 1": struct.pack("<Q", 2**64 - 1) + b"{}",
    "header of nothing": struct.pack("<Q", 0),
    "overlapping offsets": entries(("a", tensor([8], 0, 32)), ("b", tensor([12], 16, 64))),
    "enormous offsets": entries(("a", tensor([2**40], 0, 2**42))),
    "negative offsets": entries(("a", tensor([16], -64, 0))),
    "offsets that overflow": entries(("a", tensor([2**62, 4], 0, 64))),
    "backward offsets": entries(("a", tensor([16], 64, 0))),
    "hole": entries(("a", tensor([8], 0, 32)), ("b", tensor([4], 48, 64))),
    "a name twice": entries(("a", tensor([16], 0, 64)), ("a", tensor([16], 0, 64))),
    "unknown type": entries(("a", tensor([16], 0, 64, dtype="PICKLE"))),
    "nested header": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "header in UTF-16": struct.pack("<Q", 8) + '{"a"'.encode("utf-16-le"),
    "pickle": saved(),
    "names of paths": entries(("../../a", tensor([16], 0, 64))),
    "tensor of nothing": entries(("a", tensor([0], 0, 0)), size=0),
}
for title, content in SAFETENSORS.items():
    add(f"safetensors, {title}", "model", written("net.safetensors", content))


def not_a_file(make: Callable[[Path], object], name: str) -> Build:
    """Something else in the place of a file."""

    def build(folder: Path) -> Path:
        make(folder / name)
        return folder / name

    return build


WAYS = {
    "model": ("net.pth", "net.safetensors", "net.onnx"),
    "evaluation": ("lfw.bin", "train.rec", "pairs.txt", "pairs.csv", "t.parquet", "t.arrow"),
    "embeddings": ("a.npz",),
    "landmarks": ("points.csv", "points.npz", "points.txt"),
    "yunet": ("yunet.onnx",),
    "pack": ("det.onnx",),
}
for way, files in WAYS.items():
    for file in files:
        add(f"pipe {file}", way, not_a_file(os.mkfifo, file))
        add(f"folder {file}", way, not_a_file(Path.mkdir, file))
        add(f"link to itself {file}", way, not_a_file(lambda path: path.symlink_to(path), file))
        add(f"device {file}", way, not_a_file(lambda path: path.symlink_to("/dev/zero"), file))
        add(f"empty {file}", way, written(file, b""))
        add(f"shell script {file}", way, written(file, lambda f: f"#!/bin/sh\n{touch(f)}".encode()))
