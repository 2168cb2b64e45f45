"""Celebrities in Frontal-Profile: a folder of protocols, frontal–profile and frontal–frontal."""

from __future__ import annotations

from pathlib import Path

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.image_folder import ImageFolder
from facegeom_lit.faces.listed_pairs import ListedPairs
from facegeom_lit.faces.lists import read_text, whole
from facegeom_lit.faces.pairs import PairSet


def is_cfp(root: Path) -> bool:
    """Whether the folder holds the protocols of CFP."""
    return (root / "Protocol" / "Pair_list_F.txt").is_file()


def read_cfp(
    root: str | Path,
    protocol: str = "FP",
    images: str | Path | None = None,
    name: str | None = None,
) -> PairSet:
    """Read CFP-FP or CFP-FF with its ten folds.

    Args:
        root: Holds `Protocol/Pair_list_F.txt` and `Pair_list_P.txt` (NUMBER ../Data/Images/PATH)
            and `Protocol/Split/FP/01 … 10/same.txt, diff.txt` (NUMBER,NUMBER on each line, the
            second of the profile list for FP).
        protocol: `FP` or `FF`.
        images: Folder of `001/frontal/01.jpg …`; None: `Data/Images` below `root`.
        name: Name of the set; None: `cfp_fp` or `cfp_ff`.

    Raises:
        FaceGeomError: When a file is missing or wrong (the message names the line), or an image is
            not there.

    Source: the README of the CFP data set (http://www.cfpw.io).
    """
    root = Path(root).expanduser()
    if protocol not in ("FP", "FF"):
        raise FaceGeomError(f"protocol must be FP or FF, got {protocol!r}.")
    lists = root / "Protocol"
    first = _images(lists / "Pair_list_F.txt")
    second = first if protocol == "FF" else _images(lists / "Pair_list_P.txt")
    split = lists / "Split" / protocol
    if not split.is_dir():
        raise FaceGeomError(f"{split} does not exist. Put the folder of the protocol there.")
    left, right, same, folds = [], [], [], []
    for number, fold in enumerate(sorted(f for f in split.iterdir() if f.is_dir())):
        for kind in ("same", "diff"):
            file = fold / f"{kind}.txt"
            for line, a, b in _numbers(file):
                if a not in first or b not in second:
                    raise FaceGeomError(f"{file}, line {line}: no image has number {a} or {b}.")
                left.append(first[a])
                right.append(second[b])
                same.append(kind == "same")
                folds.append(number)
    if not left:
        raise FaceGeomError(f"{split} holds no pairs.")
    listed = ListedPairs(left, right, same, folds, lambda image: image.partition("/")[0])
    folder = ImageFolder(root / "Data" / "Images" if images is None else images)
    return listed.pair_set(name or f"cfp_{protocol.lower()}", folder, str(split))


def _images(path: Path) -> dict[int, str]:
    """Return the image of each number, relative to the folder of the people."""
    images = {}
    for line, text in enumerate(read_text(path).splitlines(), 1):
        fields = text.split()
        if not fields:
            continue
        parts = fields[-1].split("/")
        number = whole(fields[0])
        if len(fields) != 2 or number is None or len(parts) < 3:
            raise FaceGeomError(
                f"{path}, line {line}: expected NUMBER ../Data/Images/PERSON/KIND/IMAGE.jpg, got "
                f"{text!r}."
            )
        images[number] = "/".join(parts[-3:])
    return images


def _numbers(path: Path) -> list[tuple[int, int, int]]:
    """Return line number and both image numbers of each pair."""
    pairs = []
    for line, text in enumerate(read_text(path).splitlines(), 1):
        if not text.strip():
            continue
        match [whole(field.strip()) for field in text.split(",")]:
            case [int(first), int(second)]:
                pairs.append((line, first, second))
            case _:
                raise FaceGeomError(f"{path}, line {line}: expected NUMBER,NUMBER, got {text!r}.")
    return pairs
