from __future__ import annotations

import os
import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from faces.pictures import picture

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import encode
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_csv
from facegeom_lit.faces.images import ImagesInMemory
from facegeom_lit.faces.pairs import PairSet, default_folds
from facegeom_lit.faces.verification_bin import read_bin, write_bin
from facegeom_lit.geometry.lfw import lfw_accuracy
from facegeom_lit.models import load_face_model
from facegeom_lit.models.embed import embed

IMAGES = [encode(picture(i), "jpeg", 95) for i in range(6)]
SAME = [True, False, True]


def python2(images: list[bytes], same: list[bool]) -> bytes:
    """A pickle as Python 2 writes it with HIGHEST_PROTOCOL: byte strings, protocol 2."""
    strings = b"".join(b"T" + struct.pack("<i", len(image)) + image for image in images)
    verdicts = b"".join(b"\x88" if verdict else b"\x89" for verdict in same)
    return b"\x80\x02](" + strings + b"e](" + verdicts + b"e\x86."


def python2_text(images: list[bytes], same: list[bool]) -> bytes:
    """Protocol 0, with the escaped strings of Python 2."""
    strings = b"".join(b"S" + repr(image)[1:].encode() + b"\na" for image in images)
    verdicts = b"".join(b"I01\na" if verdict else b"I00\na" for verdict in same)
    return b"((lp0\n" + strings + b"(lp1\n" + verdicts + b"tp2\n."


def check(path: Path, images: list[bytes] = IMAGES, same: list[bool] = SAME) -> None:
    pairs = read_bin(path)
    assert pairs.same.tolist() == same
    assert not pairs.named
    rows = torch.stack([pairs.left, pairs.right], 1).flatten().tolist()
    assert [pairs.faces.encoded(row) for row in rows] == images


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("images", "same"),
    [
        (list, list),
        (lambda images: [np.frombuffer(i, np.uint8).copy() for i in images], np.array),
        (
            lambda images: [np.frombuffer(i, np.uint8).reshape(-1, 1) for i in images],
            lambda same: [np.bool_(verdict) for verdict in same],
        ),
        (list, lambda same: [int(verdict) for verdict in same]),
    ],
    ids=["bytes", "arrays", "columns", "numbers"],
)
def test_every_protocol(
    tmp_path: Path, protocol: int, images: Callable[..., Any], same: Callable[..., Any]
) -> None:
    content = (images(IMAGES), same(SAME))
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(content, protocol))
    check(path)
    numpy_1 = pickle.dumps(content, min(protocol, 2)).replace(b"numpy._core.", b"numpy.core.")
    path.write_bytes(numpy_1)
    check(path)


@pytest.mark.parametrize("dump", [python2, python2_text])
def test_python_2(tmp_path: Path, dump: Callable[..., bytes]) -> None:
    (tmp_path / "lfw.bin").write_bytes(dump(IMAGES, SAME))
    check(tmp_path / "lfw.bin")


def test_encoded_by_opencv(tmp_path: Path) -> None:
    """As InsightFace's `lfw2pack.py` does."""
    images = [cv2.imencode(".jpg", picture(i)[..., ::-1])[1] for i in range(6)]
    with (tmp_path / "lfw.bin").open("wb") as file:
        pickle.dump((images, SAME), file, protocol=pickle.HIGHEST_PROTOCOL)
    check(tmp_path / "lfw.bin", [image.tobytes() for image in images])
    pixels = cv2.cvtColor(cv2.imdecode(images[3], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(read_bin(tmp_path / "lfw.bin").faces.image(3), pixels)


def pair_set(images: list[bytes], left: list[int], right: list[int], same: list[bool]) -> PairSet:
    faces = FaceSet.from_store(
        ImagesInMemory(images), np.arange(len(images)), [f"{i}" for i in range(len(images))], Path()
    )
    verdicts = torch.tensor(same)
    folds = default_folds(verdicts)
    rows = torch.tensor(left), torch.tensor(right)
    return PairSet("mine", faces, *rows, verdicts, folds, named=False)


def test_round_trip(tmp_path: Path) -> None:
    images = [*IMAGES[:3], encode(picture(3), "webp", 1)]
    pairs = pair_set(images, [0, 1, 0, 3], [1, 2, 2, 0], [True, False, False, True])
    write_bin(pairs, tmp_path / "mine.bin")
    read = read_bin(tmp_path / "mine.bin")
    assert read.name == "mine"
    assert len(read.faces) == 4  # images that come in several pairs are kept once
    assert read.same.tolist() == pairs.same.tolist()
    assert read.folds.tolist() == pairs.folds.tolist()
    for ours, theirs in ((pairs.left, read.left), (pairs.right, read.right)):
        for a, b in zip(ours.tolist(), theirs.tolist(), strict=True):
            np.testing.assert_array_equal(pairs.faces.image(a), read.faces.image(b))
    stored, same = pickle.loads((tmp_path / "mine.bin").read_bytes())  # as others read it
    assert [type(image) for image in stored] == [bytes] * 8
    assert same == [True, False, False, True]
    assert stored[0] == stored[4] == IMAGES[0]


def test_pairs_are_written_fold_by_fold(tmp_path: Path) -> None:
    same = [True, False] * 20
    listed = pair_set(IMAGES[:3], [0, 1] * 20, [1, 2] * 20, same)
    folds = torch.arange(40) // 2 % 10  # a list that deals its pairs out to the folds by turns
    write_bin(replace(listed, folds=folds), tmp_path / "mine.bin")
    read = read_bin(tmp_path / "mine.bin")
    assert read.folds.tolist() == sorted(folds.tolist())
    assert read.same.tolist() == same  # every fold has two of each


def test_an_image_beside_itself_is_noted(tmp_path: Path) -> None:
    (tmp_path / "self.bin").write_bytes(
        pickle.dumps(([IMAGES[0], IMAGES[0], IMAGES[0], IMAGES[1]], [True, False]))
    )
    assert read_bin(tmp_path / "self.bin").notes == ("1 pairs compare an image with itself",)


def test_a_broken_image_is_not_written(tmp_path: Path) -> None:
    pairs = pair_set([IMAGES[0], IMAGES[1][:-300]], [0], [1], [True])
    with pytest.raises(FaceGeomError, match="is not a readable image"):
        write_bin(pairs, tmp_path / "mine.bin")
    assert not list(tmp_path.iterdir())


class Runs:
    """What an attacker pickles: unpickling calls `function(*arguments)`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class Empty:
    pass


def dumped(content: Any, protocol: int = 4) -> bytes:
    return pickle.dumps(content, protocol)


def hostile(marker: Path) -> dict[str, tuple[bytes, str]]:
    """Name → file, and what is said about it."""
    touch = f"touch {marker}"
    system = f"asks for {os.system.__module__}.system, which no verification set needs"
    huge = struct.pack("<Q", 2**62)
    return {
        "os.system": (dumped(Runs(os.system, touch)), system),
        "os.system as an image": (dumped(([Runs(os.system, touch), b"x"], [True])), system),
        "os.system, protocol 0": (b"cos\nsystem\n(V" + touch.encode() + b"\ntR.", "os.system"),
        "os.system of Python 2": (b"(S'" + touch.encode() + b"'\nios\nsystem\n.", "opcode b'i'"),
        "eval": (dumped(Runs(eval, f"open({str(marker)!r}, 'w')")), "builtins.eval"),
        "getattr": (b"cbuiltins\ngetattr\n.", "getattr"),
        "numpy's loader": (b"cnumpy\nload\n(V" + str(marker).encode() + b"\ntR.", "numpy.load"),
        "numpy's f2py": (b"cnumpy.f2py\nos\n.", "numpy.f2py.os"),
        "dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x10core.os.system__\x93.", "core.os.system"),
        "an object": (dumped(Empty()), "opcode b'\\\\x81'|Empty"),
        "a dictionary": (dumped(({}, [])), r"opcode b'}'"),
        "persistent id": (b"Pevil\n.", "opcode b'P'"),
        "extension registry": (b"\x82\x01.", r"opcode b'\\x82'"),
        "new object": (b"cnumpy\nndarray\n)\x81.", r"opcode b'\\x81'"),
        "state of a list": (b"]}b.", "opcode b'}'"),
        "state of a list by a list": (b"]]b.", "changes the state"),
        "memo of four billion": (b"\x80\x02]r\xff\xff\xff\xff.", "no verification set"),
        "huge byte array": (b"\x80\x05\x96" + huge + b"x.", "no verification set"),
        "huge bytes": (b"\x80\x04\x8e" + huge + b"x.", "no verification set"),
        "huge frame": (b"\x80\x04\x95" + huge + b".", "no verification set"),
        "huge array": (
            dumped(([np.zeros(3, np.uint8)], [True]), 2).replace(
                b"K\x01K\x03\x85", b"K\x01J\xff\xff\xff\x7f\x85"
            ),
            "array of shape",
        ),
        "array of objects": (
            dumped(([np.array([Empty()])], [True]), 2),
            "type 'O8'|opcode|asks for",
        ),
        "array of pictures": (
            dumped(([picture(0), picture(1)], [True])),
            "images are files in bytes",
        ),
        "cut short": (dumped((IMAGES, SAME))[:-2000], "no verification set, or a damaged one"),
        "garbage": (zlib.compress(b"no pickle"), "no verification set"),
        "a picture": (IMAGES[0], "no verification set"),
        "empty": (b"", "no verification set"),
        "bottomless": (b"(" * 100_000 + b"t" * 100_000 + b".", "no verification set"),
        "a list of itself": (b"\x80\x02]q\0h\0a.", "it must hold a list of images"),
        "three parts": (dumped((IMAGES, SAME, SAME)), "it must hold a list of images"),
        "one image missing": (dumped((IMAGES[:5], SAME)), "5 images and 3 verdicts; two images"),
        "no pair": (dumped(([], [])), "0 images and 0 verdicts"),
        "verdict of text": (dumped((IMAGES, [True, "yes", False])), "verdict of pair 1 is neither"),
        "verdict 2": (dumped((IMAGES, [1, 0, 2])), "verdict of pair 2 is neither"),
        "image of text": (dumped((["a", *IMAGES[1:]], SAME)), "image 0 is not an image file's"),
        "image of nothing": (dumped(([b"", *IMAGES[1:]], SAME)), "image 0 is not an image file's"),
    }


@pytest.mark.parametrize("name", hostile(Path("x")))
def test_hostile_files(tmp_path: Path, name: str) -> None:
    marker = tmp_path / "executed"
    data, message = hostile(marker)[name]
    path = tmp_path / "lfw.bin"
    path.write_bytes(data)
    with pytest.raises(FaceGeomError, match=message) as caught:
        read_bin(path)
    assert str(path) in str(caught.value)
    assert not marker.exists()
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"Cannot read .*lfw\.bin: No such file"):
        read_bin(tmp_path / "lfw.bin")


@pytest.mark.slow
def test_the_accuracy_stays(real_data: Path, tmp_path: Path) -> None:
    """Real crops in a `.bin`: the same verification accuracy to the last digit."""
    yale = real_data / "faces" / "yale_b"
    faces = read_csv(yale / "crops112", yale / "labels.csv", verify=False)
    faces = faces.select(range(0, len(faces), 60))
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randint(len(faces), (4000,), generator=generator) for _ in range(2))
    same = faces.labels[left] == faces.labels[right]
    kept = torch.cat([same.nonzero().flatten()[:60], (~same).nonzero().flatten()[:60]])
    kept = kept[torch.randperm(len(kept), generator=generator)]
    verdicts = same[kept]
    pairs = PairSet("yale", faces, left[kept], right[kept], verdicts, default_folds(verdicts))
    write_bin(pairs, tmp_path / "yale.bin")
    read = read_bin(tmp_path / "yale.bin")
    model = load_face_model(real_data / "weights" / "mobilefacenet_relu_ms1m" / "mobilefacenet.pt")
    accuracies = []
    for one in (pairs, read):
        points = torch.nn.functional.normalize(embed(model, one.faces))
        scores = (points[one.left] * points[one.right]).sum(1)
        accuracies.append(lfw_accuracy(scores, one.same, one.folds))
    assert accuracies[0] == accuracies[1]
