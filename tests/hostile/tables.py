"""Tables of landmarks, and archives of NumPy arrays: embeddings, landmarks."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hostile.cases import add, written
from hostile.pickles import Calls, touch

from facegeom_lit.faces.crop import TEMPLATE
from facegeom_lit.faces.detectors.landmarks import POINT_COLUMNS


def npy(header: str, data: bytes = b"") -> bytes:
    """An array file with any header."""
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x02\0" + struct.pack("<I", len(text)) + text + data


def stating(shape: str, kind: str = "'<f4'") -> str:
    return f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}"


def archive(entries: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return out.getvalue()


def arrays(**given: Any) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **given)
    return out.getvalue()


def objects(folder: Path) -> bytes:
    """An array whose one element calls `os.system`."""
    out = io.BytesIO()
    np.save(out, np.array([Calls(os.system, touch(folder))]), allow_pickle=True)
    return out.getvalue()


def bomb(name: str) -> bytes:
    """An archive that unpacks to 2 GB."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open(f"{name}.npy", "w", force_zip64=True) as entry,
    ):
        entry.write(npy(stating(f"({2**29 // 10}, 5, 2)")))
        for _ in range(205):
            entry.write(bytes(10 << 20))
    return out.getvalue()


PEOPLE = np.array([0, 0, 1, 1])
GOOD = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
FIVE = np.stack([TEMPLATE])

Content = bytes | Callable[[Path], bytes]


def around(name: str, inner: dict[str, bytes], **others: Any) -> Callable[[Path], bytes]:
    """An archive of good arrays and a raw one."""

    def build(folder: Path) -> bytes:
        plain: dict[str, bytes] = {}
        for key, value in others.items():
            out = io.BytesIO()
            np.save(out, value)
            plain[f"{key}.npy"] = out.getvalue()
        return archive(plain | inner)

    return build


EMBEDDINGS: dict[str, Content] = {
    "objects": lambda f: archive({"identity.npy": objects(f), "m.npy": objects(f)}),
    "pickle": lambda f: b"cos\nsystem\n(S'" + touch(f).encode() + b"'\ntR.",
    "one array": npy(stating("(4, 8)"), bytes(128)),
    "bomb": bomb("m"),
    "huge shape": around("m", {"m.npy": npy(stating(f"({2**40}, 8)"))}, identity=PEOPLE),
    "negative shape": around("m", {"m.npy": npy(stating("(-4, 8)"))}, identity=PEOPLE),
    "shape of text": around("m", {"m.npy": npy(stating("('a',)"))}, identity=PEOPLE),
    "header of code": around(
        "m", {"m.npy": npy("__import__('os').system('touch canary')")}, identity=PEOPLE
    ),
    "nested header": around("m", {"m.npy": npy("(" * 9000)}, identity=PEOPLE),
    "long header": around("m", {"m.npy": npy("{" + " " * 10_000_000 + "}")}, identity=PEOPLE),
    "type of a class": around("m", {"m.npy": npy(stating("(4, 8)", "'|O'"))}, identity=PEOPLE),
    "fields": around(
        "m", {"m.npy": npy(stating("(4, 8)", "[('a', '<f4'), ('b', '|O')]"))}, identity=PEOPLE
    ),
    "names that leave the folder": around("m", {"../../m.npy": b"x"}, identity=PEOPLE),
    "no array": around("m", {"m.txt": b"text"}, identity=PEOPLE),
    "NaN": arrays(identity=PEOPLE, m=GOOD * np.nan),
    "identity of a matrix": arrays(identity=GOOD, m=GOOD),
    "identity of nothing": arrays(identity=np.int64(7), m=GOOD),
    "other lengths": arrays(identity=PEOPLE[:3], m=GOOD),
    **{
        f"cut at {percent}%": arrays(identity=PEOPLE, m=GOOD)[: 5 * percent]
        for percent in (1, 30, 80)
    },
}
for title, content in EMBEDDINGS.items():
    add(title, "embeddings", written("given.npz", content), harmless=title == "NaN")

HEAD = ",".join(["path", *POINT_COLUMNS, "score"])
ROW = ",".join(["a.png", *map(str, TEMPLATE.ravel()), "0.9"])
LANDMARKS: dict[str, tuple[str, Content]] = {
    "objects": ("p.npz", lambda f: archive({"image.npy": objects(f), "landmarks.npy": objects(f)})),
    "bomb": ("p.npz", bomb("landmarks")),
    "huge shape": (
        "p.npz",
        around("", {"landmarks.npy": npy(stating(f"({2**40}, 5, 2)"))}, image=np.array(["a.png"])),
    ),
    "NaN": ("p.npz", arrays(image=np.array(["a.png"]), landmarks=FIVE * np.nan)),
    "score of text": (
        "p.npz",
        arrays(image=np.array(["a.png"]), landmarks=FIVE, score=np.array(["x"])),
    ),
    "score of NaN": (
        "p.npz",
        arrays(image=np.array(["a.png"]), landmarks=FIVE, score=np.array([np.nan])),
    ),
    "image of nothing": ("p.npz", arrays(image=np.array("a.png"), landmarks=FIVE)),
    "one line of 10 MB": ("p.csv", f"{HEAD}\n{'x' * 10_000_000}\n".encode()),
    "head of 10 MB": ("p.csv", b"x" * 10_000_000),
    "quote without end": ("p.csv", f'{HEAD}\n"{ROW}\n'.encode() * 20_000),
    "NUL": ("p.csv", f"{HEAD}\n\0{ROW}\n".encode()),
    "UTF-16": ("p.csv", f"{HEAD}\n{ROW}\n".encode("utf-16")),
    "number of digits": ("p.csv", f"{HEAD}\n{ROW.replace('0.9', '9' * 100_000)}\n".encode()),
    "infinity": ("p.csv", f"{HEAD}\n{ROW.replace('0.9', 'inf')}\n".encode()),
    "outside": ("p.csv", f"{HEAD}\n../../{ROW}\n".encode()),
    "a column twice": ("p.csv", f"{HEAD},path\n{ROW},/etc/passwd\n".encode()),
    "short row": ("p.csv", f"{HEAD}\na.png,1,2\n".encode()),
    "text of 10 MB": ("p.txt", b"x" * 10_000_000),
    "text of NUL": ("p.txt", bytes(1000)),
    "text of digits": ("p.txt", b"a.png " + b"9" * 5000 + b" 1" * 9),
}
for title, (file, content) in LANDMARKS.items():
    add(title, "landmarks", written(file, content))
