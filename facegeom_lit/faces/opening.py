"""One way to open faces, whatever they are stored as: for training, and for evaluation.

Formats are recognised by the names of their files; `kind=` overrides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.celeba import IDENTITIES, is_celeba, read_celeba
from facegeom_lit.faces.cfp import is_cfp, read_cfp
from facegeom_lit.faces.face_set import CARD, FaceSet
from facegeom_lit.faces.folder import read_csv, read_folder
from facegeom_lit.faces.ijb import MEMBERS, meta_folder, read_ijb
from facegeom_lit.faces.image_files import files_below, is_image
from facegeom_lit.faces.image_folder import ImageFolder, folder_with
from facegeom_lit.faces.lists import Table, is_number
from facegeom_lit.faces.pair_files import read_pairs
from facegeom_lit.faces.pairs import PairSet
from facegeom_lit.faces.parquet import read_parquet
from facegeom_lit.faces.reading import FOLDERS, EvaluationSet, Reading, Source, read_first
from facegeom_lit.faces.recordio import REC, read_recordio
from facegeom_lit.faces.schema import FIXED_COLUMNS
from facegeom_lit.faces.sizes import NOTES, check_crops
from facegeom_lit.faces.verification_bin import read_bin

LABELS = "labels.csv"
PAIR_LISTS = ("pairs.csv", "pairs.txt", "pairs*.txt", "*_pair.txt", "*protocol_*_years.mat")
TABLES = ("*.parquet", "*/*.parquet", "*.arrow", "*/*.arrow")


def open_faces(
    path: str | Path | Mapping[str, Any],
    *,
    identity: str | None = None,
    attributes: bool = False,
    verify: bool = True,
) -> FaceSet:
    """Open labelled faces: the first of `FACES` that fits.

    Args:
        path: File or folder; or a mapping of the arguments of
            `facegeom_lit.faces.reading.Source`.
        identity: Column of the people in a Parquet table; None: the one with a usual name.
        attributes: Take the columns of numbers in a table of labels as attributes.
        verify: Decode images once now, see `check_crops`. False opens images of any size.

    Returns:
        The set; `notes_of` says what else it could have been read as.

    Raises:
        FaceGeomError: When nothing fits (the message says what was looked for), or the data is
            not as its format says.
    """
    source = Source.of(path)
    source = replace(source, attributes=attributes or source.attributes)
    faces = read_first(replace(source, identity=identity or source.identity), FACES)
    assert isinstance(faces, FaceSet)
    return check_crops(faces) if verify else faces


def open_evaluation(
    source: str | Path | Mapping[str, Any], name: str | None = None, *, verify: bool = True
) -> EvaluationSet:
    """Open what a model can be evaluated on: the first of `PAIRS`, else of `FACES`, that fits.

    Args:
        source: File or folder; or a mapping of the arguments of
            `facegeom_lit.faces.reading.Source`.
        name: Name of the set; None: that of the file or folder.
        verify: Decode images once now, see `check_crops`. False opens images of any size.

    Returns:
        The set; `notes_of` says what was read, and what else it could have been read as.

    Raises:
        FaceGeomError: As `open_faces`.
    """
    found = read_first(Source.of(source), {**PAIRS, **FACES}, name)
    faces = found if isinstance(found, FaceSet) else found.faces
    if verify and faces is not None:
        check_crops(faces)
    return found


def notes_of(data: EvaluationSet) -> tuple[str, ...]:
    """Return what a reader of results must know of how a set was read."""
    faces = data if isinstance(data, FaceSet) else data.faces
    own = () if isinstance(data, FaceSet) else data.notes
    return (*own, *(faces.card.get(NOTES, ()) if faces is not None else ()))


def _named(*patterns: str) -> Callable[[Source], bool]:
    """Return whether a source is a file, or a folder with a file, whose name is like one."""

    def fits(source: Source) -> bool:
        if source.path.is_file():
            return any(source.path.match(pattern) for pattern in patterns)
        return any(file.is_file() for pattern in patterns for file in source.path.glob(pattern))

    return fits


def _is_folders(source: Source) -> bool:
    """Whether a sub-folder holds an image, at any depth."""
    if not source.path.is_dir():
        return False
    below = (f for f in source.path.iterdir() if f.is_dir() and not f.name.startswith("."))
    return any(is_image(file) for folder in below for file in files_below(folder))


def _pair_list(source: Source) -> Path | None:
    """Return the list of pairs: given, the file itself, or the first one in the folder."""
    if source.pairs is not None:
        return source.pairs
    if source.path.is_file():
        named = any(source.path.match(pattern) for pattern in (*PAIR_LISTS, "*.txt"))
        return source.path if named or _has_pairs(source.path) else None
    return next(iter(_pair_lists(source.path)), None)


def _pair_lists(folder: Path) -> list[Path]:
    found = (file for pattern in PAIR_LISTS for file in sorted(folder.glob(pattern)))
    return list(dict.fromkeys(file for file in found if file.is_file()))


def _labels(source: Source) -> Path | None:
    """Return the table of labels: given, the file itself, or the one in the folder."""
    if source.table is not None:
        return source.table
    if source.path.is_file():
        is_table = source.path.suffix.lower() == ".csv" and not _has_pairs(source.path)
        return source.path if is_table else None
    return source.path / LABELS if (source.path / LABELS).is_file() else None


def _has_pairs(file: Path) -> bool:
    """Whether a file is a table of pairs."""
    return file.suffix.lower() == ".csv" and "path_a" in Table(file).columns


def _read_pairs(source: Source, name: str | None) -> PairSet:
    pairs = _pair_list(source)
    if pairs is None:
        raise FaceGeomError(f"{source.path} holds none of {', '.join(PAIR_LISTS)}: give pairs=….")
    apart = source.path.is_dir() and source.path not in pairs.parents
    found = read_pairs(pairs, source.images or (source.path if apart else None), name)
    others = [] if source.options or source.path.is_file() else _pair_lists(source.path)[1:]
    if not others:
        return found
    beside = f"lists that were not read: {', '.join(file.name for file in others)}"
    return replace(found, notes=(*found.notes, beside))


def _read_labels(source: Source, _: str | None) -> FaceSet:
    table = _labels(source)
    if table is None:
        raise FaceGeomError(f"{source.path} holds no {LABELS}: give table=….")
    base = source.images or (source.path if source.path.is_dir() else table.parent)
    first = next((record.get("path", "") for _, record in Table(table)), "")
    images = folder_with(base, first) or base
    columns = _numbers(table) if source.attributes else ()
    faces = read_csv(images, table, {name: name for name in columns}, verify=False)
    if unlisted := ImageFolder(images).unlisted(faces.table["path"].to_pylist()):
        note = f"{len(unlisted)} images of {images} are in no row of {table}, e.g. {unlisted[0]}"
        faces.card[NOTES] = [*faces.card.get(NOTES, []), note]
    return faces


def _numbers(table: Path) -> list[str]:
    """Columns of a table of labels whose first value is a number."""
    names = [name for name in Table(table).columns if name and name not in FIXED_COLUMNS]
    first: dict[str, str] = {}
    for _, record in Table(table):
        first |= {name: record[name] for name in names if name not in first and record[name]}
        if len(first) == len(names):
            break
    return [name for name in names if name in first and is_number(first[name])]


def _read_bin(source: Source, name: str | None) -> PairSet:
    found = read_bin(source.path)
    return found if name is None else replace(found, name=name)


def _is_recordio(source: Source) -> bool:
    return (source.path / REC).is_file() or source.path.suffix.lower() == ".rec"


def _is_parquet(source: Source) -> bool:
    """Whether it is or holds such tables, and is no face set, which consists of them too."""
    return _named(*TABLES)(source) and not (source.path / CARD).is_file()


PAIRS: Mapping[str, Reading] = {
    "bin": Reading(
        "a file *.bin", lambda s: s.path.is_file() and s.path.suffix.lower() == ".bin", _read_bin
    ),
    "ijb": Reading(
        f"meta/*{MEMBERS}",
        lambda s: s.path.is_dir() and meta_folder(s.path) is not None,
        lambda s, name: read_ijb(s.path, s.images, s.embeddings, name),
        frozenset({"images", "embeddings"}),
    ),
    "cfp": Reading(
        "Protocol/Pair_list_F.txt",
        lambda s: is_cfp(s.path),
        lambda s, name: read_cfp(s.path, s.protocol or "FP", s.images, name),
        frozenset({"images", "protocol"}),
    ),
    "pairs": Reading(
        f"a list of pairs ({', '.join(PAIR_LISTS)})",
        lambda s: _pair_list(s) is not None,
        _read_pairs,
        frozenset({"images", "pairs"}),
    ),
}
"""Pairs and templates, by `kind`."""

FACES: Mapping[str, Reading] = {
    "face_set": Reading(f"{CARD} of a face set", _named(CARD), lambda s, _: FaceSet.open(s.path)),
    "recordio": Reading(
        f"{REC}, or another file *.rec", _is_recordio, lambda s, _: read_recordio(s.path)
    ),
    "parquet": Reading(
        "files *.parquet or *.arrow, in the folder or folders below it",
        _is_parquet,
        lambda s, _: read_parquet(s.path, image=s.image, identity=s.identity),
        frozenset({"image", "identity"}),
    ),
    "celeba": Reading(
        f"{IDENTITIES}, in the folder or its folder Anno",
        lambda s: is_celeba(s.path),
        lambda s, _: read_celeba(s.path, s.images, verify=False),
        frozenset({"images"}),
    ),
    "labels": Reading(
        f"{LABELS}, or another table with the columns path and identity",
        lambda s: _labels(s) is not None,
        _read_labels,
        frozenset({"images", "table"}),
    ),
    FOLDERS: Reading(
        "NAME/IMAGE, a folder for each identity",
        _is_folders,
        lambda s, _: read_folder(s.path, verify=False),
    ),
}
"""Labelled faces, by `kind`."""
