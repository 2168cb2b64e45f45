"""The protocol of AgeDB as its authors publish it, a MATLAB file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scipy.io import loadmat

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.listed_pairs import ListedPairs


def read_agedb_protocol(path: str | Path) -> ListedPairs:
    """Read `04_FINAL_protocol_30_years.mat`, or the one of another age difference.

    The variable `splits` holds one cell a fold; in it, the first field of a structure is a 2×P
    cell of pairs, whose entries are structures: an image's name without suffix, and its age. Both
    names of a genuine pair begin with the same person: `PERSON_NUMBER_…`.

    Args:
        path: The file. It is data: nothing in it can run.

    Raises:
        FaceGeomError: When it is no such file.

    Source: the layout that InsightFace's `agedb2pack.py` reads.
    """
    try:
        splits = loadmat(str(path))["splits"]
        left: list[str] = []
        right: list[str] = []
        folds: list[int] = []
        for fold in range(len(splits)):
            pairs = splits[fold][0][0][0][0]
            names = [[_name(cell) for cell in side] for side in pairs[:2]]
            left += names[0]
            right += names[1]
            folds += [fold] * len(names[0])
    except Exception as error:  # scipy raises many kinds for what is no such file
        raise FaceGeomError(
            f"{path} is no AgeDB protocol ({type(error).__name__}: {error}). Fetch the file again, "
            "or give the pairs as text: LEFT RIGHT FLAG on each line."
        ) from error
    same = [_person(a) == _person(b) for a, b in zip(left, right, strict=True)]
    return ListedPairs(left, right, same, folds, _person)


def _name(cell: Any) -> str:
    """Return the image name that an entry holds."""
    return str(cell[0][0][0][0])


def _person(image: str) -> str:
    return image.partition("_")[0]
