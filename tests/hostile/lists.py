"""Lists of pairs, of labels, of CelebA, CFP, AgeDB and IJB, that lead astray."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from faces.test_celeba import LISTS
from hostile.cases import Build, Source, add
from hostile.pictures import PNG

OUT = "../" * 12 + "etc/passwd"


def beside_images(file: str, text: str | bytes, images: tuple[str, ...] = ("a", "b")) -> Build:
    """A list beside images."""

    def build(folder: Path) -> Source:
        place = folder / "set"
        for image in images:
            (place / "ada").mkdir(parents=True, exist_ok=True)
            (place / "ada" / f"{image}.png").write_bytes(PNG)
        data = text if isinstance(text, bytes) else text.encode()
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_bytes(data)
        return place

    return build


def pairs(*rows: str, head: str = "path_a,path_b,same") -> str:
    return "\n".join([head, *rows]) + "\n"


GOOD = "ada/a.png,ada/b.png,1"
PAIR_LISTS: dict[str, tuple[str, str | bytes]] = {
    "outside": ("pairs.csv", pairs(f"{OUT},ada/a.png,1")),
    "absolute": ("pairs.csv", pairs("/etc/passwd,ada/a.png,1")),
    "device": ("pairs.csv", pairs("/dev/zero,ada/a.png,1")),
    "NUL": ("pairs.csv", pairs("ada/a\0.png,ada/b.png,1")),
    "UTF-16": ("pairs.csv", pairs(GOOD).encode("utf-16")),
    "one line of 10 MB": ("pairs.csv", pairs("x" * 10_000_000)),
    "head of 10 MB": ("pairs.csv", "x" * 10_000_000),
    "quote without end": ("pairs.csv", pairs('"' + "x\n" * 1_000_000)),
    "name of 5000 letters": ("pairs.csv", pairs("x" * 5000 + ".png,ada/b.png,1")),
    "fold of digits": ("pairs.csv", pairs(GOOD + "," + "9" * 5000, head="path_a,path_b,same,fold")),
    "fold of 10^17": ("pairs.csv", pairs(f"{GOOD},{10**17}", head="path_a,path_b,same,fold")),
    "same of NaN": ("pairs.csv", pairs("ada/a.png,ada/b.png,nan")),
    "a column twice": ("pairs.csv", pairs(GOOD, head="path_a,path_a,same")),
    "surrogates": ("pairs.csv", b"path_a,path_b,same\n\xed\xa0\x80.png,ada/b.png,1\n"),
    "lfw outside": ("pairs.txt", "1\n../../etc/passwd\t1\t2\nada\t1\tbob\t1\n"),
    "lfw of 10^18 folds": ("pairs.txt", f"{10**17} {10**17}\nada 1 2\n"),
    "lfw of digits": ("pairs.txt", "9" * 100_000 + "\nada 1 2\n"),
    "lfw negative": ("pairs.txt", "-10 -300\nada 1 2\n"),
    "lfw image of 10^17": ("pairs.txt", f"1\nada\t1\t{10**17}\nada\t1\tbob\t2\n"),
    "lfw NUL": ("pairs.txt", b"1\nada\0\t1\t2\nada\t1\tbob\t2\n"),
    "lfw pickle": ("pairs.txt", b"cos\nsystem\n(S'touch canary'\ntR.\n"),
    "calfw outside": ("pairs_CALFW.txt", f"{OUT} 1\n{OUT} 1\n"),
    "calfw of digits": ("pairs_CALFW.txt", f"ada/a.png {'9' * 9999}\nada/b.png {'9' * 9999}\n"),
    "flagged outside": ("agedb_30_pair.txt", f"{OUT} ada/a.png 1\n"),
    "line of 10 MB": ("pairs.txt", "x" * 10_000_000),
    "binary": ("pairs.txt", bytes(range(256)) * 100),
}
for title, (file, text) in PAIR_LISTS.items():
    build = beside_images(file, text)
    add(f"pairs, {title}", "evaluation", build, "set", harmless=title == "fold of 10^17")

LABELS: dict[str, str | bytes] = {
    "outside": f"path,identity\n{OUT},ada\n",
    "absolute": "path,identity\n/etc/passwd,ada\n",
    "device": "path,identity\n/dev/zero,ada\n",
    "NUL": "path,identity\nada/a\0.png,ada\n",
    "UTF-16": "path,identity\nada/a.png,ada\n".encode("utf-16"),
    "one line of 10 MB": "path,identity\n" + "x" * 10_000_000,
    "name of 5000 letters": "path,identity\n" + "x" * 5000 + ",ada\n",
    "surrogates": b"path,identity\n\xed\xb2\x80.png,ada\n",
    "nothing but a head": "path,identity\n",
    "a row twice": "path,identity\nada/a.png,ada\nada/a.png,ada\n",
}
for title, text in LABELS.items():
    named = "/etc/passwd" if title == "absolute" else "set"
    add(f"labels, {title}", "faces", beside_images("labels.csv", text), named)


def linked(make: Callable[[Path], object]) -> Build:
    """A list of pairs whose second image is something else."""

    def build(folder: Path) -> Source:
        place = beside_images("pairs.csv", pairs("ada/a.png,ada/c.png,1"))(folder)
        assert isinstance(place, Path)
        make(place / "ada" / "c.png")
        return place

    return build


SPECIAL: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path),
    "link to nowhere": lambda path: path.symlink_to("nowhere"),
    "folder": Path.mkdir,
    "link to a secret": lambda path: path.symlink_to("/etc/passwd"),
}
for title, make in SPECIAL.items():
    add(f"pairs, image of a {title}", "evaluation", linked(make), "c.png")


def celeba(**changes: str | bytes) -> Build:
    """CelebA's lists, some of them changed."""

    def build(folder: Path) -> Source:
        place = folder / "celeba"
        (place / "img_align_celeba").mkdir(parents=True)
        for number in range(1, 5):
            (place / "img_align_celeba" / f"{number:06d}.png").write_bytes(PNG)
        for name, text in LISTS.items():
            found = next((new for key, new in changes.items() if key in name), text)
            (place / name).write_bytes(found if isinstance(found, bytes) else found.encode())
        return place

    return build


def renamed(name: str) -> Build:
    """Every list names one image otherwise."""
    keys = {"identity": "identity_CelebA.txt", "attr": "list_attr_celeba.txt"}
    keys["partition"] = "list_eval_partition.txt"
    return celeba(**{key: LISTS[file].replace("000001.jpg", name) for key, file in keys.items()})


CELEBA: dict[str, Build] = {
    "outside": renamed(OUT),
    "absolute": renamed("/etc/passwd"),
    "NUL": renamed("00\0.jpg"),
    "name of 5000 letters": renamed("x" * 5000),
    "UTF-16": celeba(identity=LISTS["identity_CelebA.txt"].encode("utf-16")),
    "count of digits": celeba(attr="9" * 5000 + "\nSmiling\n000001.jpg 1\n"),
    "attribute of NaN": celeba(
        attr=LISTS["list_attr_celeba.txt"].replace("000002.jpg  1", "000002.jpg nan")
    ),
    "line of 10 MB": celeba(identity="x" * 10_000_000),
    "empty": celeba(identity=b""),
    "attribute of a fixed name": celeba(
        attr=LISTS["list_attr_celeba.txt"].replace("Smiling", "identity")
    ),
    "attributes of one name": celeba(
        attr=LISTS["list_attr_celeba.txt"].replace("Smiling", "Eyeglasses")
    ),
}
for title, build in CELEBA.items():
    add(f"celeba, {title}", "faces", build, "")


def cfp(lists: str, same: str) -> Build:
    def build(folder: Path) -> Source:
        place = folder / "cfp"
        split = place / "Protocol" / "Split" / "FP" / "01"
        split.mkdir(parents=True)
        for kind in ("F", "P"):
            (place / "Protocol" / f"Pair_list_{kind}.txt").write_text(lists)
        (split / "same.txt").write_text(same)
        (split / "diff.txt").write_text(same)
        (place / "Data" / "Images").mkdir(parents=True)
        return place

    return build


CFP = {
    "outside": cfp("1 ../../../etc/passwd\n2 ../../../etc/hosts\n", "1,2\n"),
    "number of digits": cfp(f"{'9' * 5000} a/b/c.jpg\n", "1,2\n"),
    "pair of digits": cfp("1 a/b/c.jpg\n", f"1,{'9' * 5000}\n"),
    "negative": cfp("1 a/b/c.jpg\n", "-1,-2\n"),
}
for title, build in CFP.items():
    add(f"cfp, {title}", "evaluation", build, "")


def mat(content: Any) -> Build:
    """AgeDB's protocol as a MATLAB file."""

    def build(folder: Path) -> Source:
        path = folder / "04_FINAL_protocol_30_years.mat"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            scipy.io.savemat(path, {"splits": content}, do_compression=True)
        return path

    return build


MAT: dict[str, Any] = {
    "numbers": np.zeros((10, 1)),
    "400 MB of zeros": np.zeros((10, 5_000_000)),
    "text": "../../etc/passwd",
    "cells of cells": np.array([[np.array([[1, 2]], object)]], object),
    "no MATLAB": b"MATLAB 5.0 MAT-file" + bytes(109) + b"\x00\x01IM" + b"\xff" * 1000,
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(600),
    "huge element": b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM\x0e\0\0\0\xff\xff\xff\x7f",
}
for title, content in MAT.items():
    add(f"agedb, {title}", "evaluation", mat(content))


def ijb(**changes: str | bytes) -> Build:
    """IJB's lists with given embeddings, some of them changed."""

    def build(folder: Path) -> Source:
        meta = folder / "ijb" / "meta"
        meta.mkdir(parents=True)
        lists: dict[str, str | bytes] = {
            "face_tid_mid": "1.jpg 7 100\n2.jpg 9 101\n",
            "template_pair_label": "7 9 1\n",
        }
        for name, text in (lists | changes).items():
            if name != "embeddings":
                end = "csv" if "1N" in name else "txt"
                data = text if isinstance(text, bytes) else text.encode()
                (meta / f"ijbc_{name}.{end}").write_bytes(data)
        np.save(folder / "ijb" / "e.npy", np.ones((2, 4), np.float32))
        if isinstance(given := changes.get("embeddings"), bytes):
            (folder / "ijb" / "e.npy").write_bytes(given)
        return {"path": folder / "ijb", "embeddings": "e.npy"}

    return build


IJB: dict[str, Build] = {
    "template of digits": ijb(face_tid_mid=f"1.jpg {'9' * 5000} 1\n2.jpg 9 101\n"),
    "pair of 10^30": ijb(template_pair_label=f"7 {10**30} 1\n"),
    "pair in UTF-16": ijb(template_pair_label="7 9 1\n".encode("utf-16")),
    "pair of a line of 10 MB": ijb(template_pair_label="7" * 10_000_000),
    "unknown template": ijb(template_pair_label="7 8 1\n"),
    "points of NaN": ijb(name_5pts_score="1.jpg" + " nan" * 11 + "\n2.jpg" + " 1" * 11 + "\n"),
    "gallery of digits": ijb(**{"1N_gallery_G1": f"T,S\n{'9' * 5000},1\n"}),
    "gallery of a line of 10 MB": ijb(**{"1N_gallery_G1": "T,S\n" + "x" * 10_000_000}),
    "embeddings cut": ijb(embeddings=b"\x93NUMPY\x01\0\xff\xff"),
    "empty list": ijb(face_tid_mid=b""),
}
for title, build in IJB.items():
    add(f"ijb, {title}", "evaluation", build, "")
