"""Lists of pairs to verify, in the forms that they are published in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.agedb import read_agedb_protocol
from facegeom_lit.faces.image_folder import ImageFolder, folder_with
from facegeom_lit.faces.listed_pairs import ListedPairs
from facegeom_lit.faces.lists import Table, read_text, whole
from facegeom_lit.faces.pairs import PairSet

FLAGS = {"1": True, "true": True, "0": False, "-1": False, "false": False}
"""What a list writes for one person, and for two."""

FORMS = """\
  10 300                           LFW pairs.txt: folds, pairs of a kind in each; or one number
  NAME 1 4                           one person, images 1 and 4: NAME/NAME_0001.jpg ...
  NAME 1 OTHER 2                     two people
  NAME_0001.jpg 1                  CALFW and CPLFW: two lines a pair; 0: two people, else the fold
  left.jpg right.jpg 1             AgeDB-30 as text: 1: one person, 0 or -1: two
  path_a,path_b,same[,fold]        a table with these column names (.csv)
  04_FINAL_protocol_30_years.mat   AgeDB as its authors publish it"""
"""The forms, for messages."""

Line = tuple[int, list[str]]
"""Number of a line, from 1, and its fields."""


def read_pairs(
    pairs: str | Path, images: str | Path | None = None, name: str | None = None
) -> PairSet:
    """Read a list of pairs; its form is told by its content.

    Args:
        pairs: The list, in one of `FORMS`.
        images: Folder of the images, or one above it, where the first image tells which; None: the
            folder of the list.
        name: Name of the set; None: that of the file, or of the folder of a `pairs.txt`.

    Raises:
        FaceGeomError: When the list cannot be read (the message names the line), or an image is
            not there.

    Source: LFW README (http://vis-www.cs.umass.edu/lfw/README.txt, section 3c); the pair lists
        within the CALFW and CPLFW archives; `dataset/agedb.py` of wujiyang/Face_Pytorch.
    """
    pairs = Path(pairs).expanduser()
    if not pairs.is_file():
        raise FaceGeomError(f"The list of pairs {pairs} does not exist.")
    if pairs.suffix.lower() == ".mat":
        listed = read_agedb_protocol(pairs)
    elif pairs.suffix.lower() == ".csv":
        listed = _table(pairs)
    else:
        listed = _text(pairs)
    if not listed.left:
        raise FaceGeomError(f"{pairs} holds no pairs.")
    base = pairs.parent if images is None else Path(images).expanduser()
    listed, root = _located(listed, base)
    chosen = name or (pairs.stem if pairs.stem != "pairs" else pairs.absolute().parent.name)
    return listed.pair_set(chosen, ImageFolder(root), str(pairs))


def _located(listed: ListedPairs, base: Path) -> tuple[ListedPairs, Path]:
    """Return the pairs as their images stand on disk, and the folder of the images."""
    for candidate in (listed, listed.without_folders()):
        if folder := folder_with(base, candidate.left[0]):
            return candidate, folder
    return listed, base


def _text(path: Path) -> ListedPairs:
    """Tell the form by the first line."""
    lines = list(_lines(path))
    if not lines:
        return ListedPairs([], [], [])
    first = lines[0][1]
    if len(first) <= 2 and all(whole(field) is not None for field in first):
        return _lfw(path, lines)
    if len(first) == 2 and whole(first[1]) is not None:
        return _twos(path, lines)
    if len(first) == 3 and first[2].lower() in FLAGS:
        return _flagged(path, lines)
    raise FaceGeomError(
        f"{path}, line {lines[0][0]}: {' '.join(first)!r} begins no list of pairs. Lists are:\n"
        f"{FORMS}"
    )


def _lines(path: Path) -> Iterator[Line]:
    """Yield the lines that are not empty; tabs separate fields where there are any."""
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if line.strip():
            yield number, line.strip().split("\t" if "\t" in line else None)


def _lfw(path: Path, lines: list[Line]) -> ListedPairs:
    """Read the form of LFW: a header, then for each fold its genuine and its impostor pairs."""
    header, body = [max(1, whole(field) or 1) for field in lines[0][1]], lines[1:]
    folds, of_a_kind = header if len(header) == 2 else (1, *header)
    if len(body) != 2 * folds * of_a_kind:
        raise FaceGeomError(
            f"{path} has {len(body)} pairs, but its first line promises {folds} × 2 × {of_a_kind}. "
            "Correct that line, or fetch the list again."
        )
    image = partial(_lfw_image, path)
    left, right, same = [], [], []
    for place, (number, fields) in enumerate(body):
        genuine = place % (2 * of_a_kind) < of_a_kind
        if len(fields) != (3 if genuine else 4) or (not genuine and fields[0] == fields[2]):
            wanted = "NAME I J, one person" if genuine else "NAME I OTHER J, two people"
            raise FaceGeomError(f"{path}, line {number}: expected {wanted}, got {fields}.")
        other = [fields[0], fields[2]] if genuine else fields[2:]
        left.append(image(number, fields[0], fields[1]))
        right.append(image(number, *other))
        same.append(genuine)
    of_fold = [place // (2 * of_a_kind) for place in range(len(body))] if folds > 1 else None
    return ListedPairs(left, right, same, of_fold, _lfw_person)


def _lfw_image(path: Path, number: int, name: str, index: str) -> str:
    if (place := whole(index)) is None or place < 0:
        raise FaceGeomError(f"{path}, line {number}: {index!r} is no image number.")
    return f"{name}/{name}_{place:04d}"


def _lfw_person(image: str) -> str:
    return PurePosixPath(image).name.rpartition("_")[0]


def _twos(path: Path, lines: list[Line]) -> ListedPairs:
    """Read the form of CALFW and CPLFW: each pair on two lines, the same flag on both."""
    if len(lines) % 2:
        raise FaceGeomError(f"{path} has {len(lines)} lines; pairs stand on two lines each.")
    left, right, flags = [], [], []
    for (number, first), (_, second) in zip(lines[::2], lines[1::2], strict=True):
        if len(first) != 2 or len(second) != 2 or first[1] != second[1]:
            raise FaceGeomError(
                f"{path}, line {number}: expected IMAGE FLAG twice with one flag, got {first} and "
                f"{second}."
            )
        if (flag := whole(first[1])) is None:
            raise FaceGeomError(f"{path}, line {number}: {first[1]!r} is no flag (a number).")
        left.append(first[0])
        right.append(second[0])
        flags.append(flag)
    same = [flag > 0 for flag in flags]
    folds = _numbered_folds(flags) if max(flags) > 1 else None
    return ListedPairs(left, right, same, folds)


def _numbered_folds(flags: list[int]) -> list[int]:
    """Return the fold of each pair where genuine ones carry its number and impostor ones none."""
    numbers, folds = np.unique([flag for flag in flags if flag > 0], return_inverse=True)
    impostor = np.array(flags) <= 0
    of_pair = np.empty(len(flags), np.int64)
    of_pair[~impostor] = folds
    of_pair[impostor] = np.arange(impostor.sum()) * len(numbers) // max(1, impostor.sum())
    return of_pair.tolist()


def _flagged(path: Path, lines: list[Line]) -> ListedPairs:
    """Read two images and a flag on each line."""
    for number, fields in lines:
        if len(fields) != 3 or fields[2].lower() not in FLAGS:
            raise FaceGeomError(
                f"{path}, line {number}: expected LEFT RIGHT FLAG (1 or 0), got {fields}."
            )
    left, right, flags = zip(*(fields for _, fields in lines), strict=True)
    return ListedPairs(list(left), list(right), [FLAGS[flag.lower()] for flag in flags])


def _table(path: Path) -> ListedPairs:
    """Read a table with the columns path_a, path_b, same and, optionally, fold."""
    table = Table(path)
    table.require("path_a", "path_b", "same")
    left, right, same, folds = [], [], [], []
    for line, record in table:
        where = f"{path}, line {line}"
        flag, fold = record["same"].lower(), whole(record.get("fold") or "0")
        if flag not in FLAGS or not record["path_a"] or not record["path_b"]:
            raise FaceGeomError(f"{where}: expected two paths and `same` as 1 or 0, got {record}.")
        if fold is None:
            raise FaceGeomError(f"{where}: the fold {record['fold']!r} is no whole number.")
        left.append(record["path_a"])
        right.append(record["path_b"])
        same.append(FLAGS[flag])
        folds.append(fold)
    dense = np.unique(folds, return_inverse=True)[1].tolist()
    return ListedPairs(left, right, same, dense if "fold" in table.columns else None)
