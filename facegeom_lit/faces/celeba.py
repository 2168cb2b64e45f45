"""CelebA: images with identities, 40 attributes and the official partition."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.image_folder import ImageFolder, folder_with
from facegeom_lit.faces.lists import read_text, whole
from facegeom_lit.faces.schema import FIXED_COLUMNS, table_from_rows
from facegeom_lit.faces.sizes import check_crops

ATTRIBUTES = "list_attr_celeba.txt"
IDENTITIES = "identity_CelebA.txt"
PARTITION = "list_eval_partition.txt"
SPLITS = {"0": "train", "1": "val", "2": "test"}

_FOLDERS = (".", "Anno", "Eval")  # as the archive is laid out, or all in one folder
_IMAGES = ("img_align_celeba", "Img/img_align_celeba", "Img/img_align_celeba_png")
_SIGNS = {"-1": -1.0, "1": 1.0}


def is_celeba(root: Path) -> bool:
    """Whether the lists of CelebA stand in the folder."""
    return any((root / folder / IDENTITIES).is_file() for folder in _FOLDERS)


def read_celeba(
    root: str | Path, images: str | Path | None = None, *, verify: bool = True
) -> FaceSet:
    """Read CelebA.

    Args:
        root: Holds `list_attr_celeba.txt`, `identity_CelebA.txt` and `list_eval_partition.txt`,
            itself or in `Anno` and `Eval`.
        images: Folder of the images; None: `img_align_celeba` (below `Img` or not), or the folder
            in which the first one stands. Their suffix may be another than the lists'.
        verify: As in `read_folder`. The images as published are no aligned crops of 112×112.

    Returns:
        The rows in the order of the identity list: identity, the 40 attributes (-1 or 1) and the
        split (train, val, test).

    Raises:
        FaceGeomError: When a list is missing or wrong, two lists disagree (the message names the
            row), or an image is missing.

    Source: Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015; the README of its
        archive.
    """
    root = Path(root).expanduser()
    identities = _two_columns(_list(root, IDENTITIES))
    attributes, values = _attributes(_list(root, ATTRIBUTES))
    splits = _two_columns(_list(root, PARTITION))
    for other, found in ((ATTRIBUTES, values), (PARTITION, splits)):
        _agree(IDENTITIES, identities, other, found)
    for row, (image, split) in enumerate(splits.items(), 1):
        if split not in SPLITS:
            raise FaceGeomError(f"{PARTITION}, row {row}: {image} has {split!r}, not 0, 1 or 2.")
    folder = ImageFolder(_folder(root, next(iter(identities))) if images is None else images)
    files = folder.find(list(identities), str(_list(root, IDENTITIES)))
    if unlisted := folder.unlisted(identities):
        raise FaceGeomError(
            f"{len(unlisted)} images of {folder.root} stand in no list of {root}, e.g. "
            f"{', '.join(unlisted[:10])}. Take the lists that belong to the images."
        )
    columns = zip(*(values[image] for image in identities), strict=True)
    table = table_from_rows(
        [
            {"identity": who, "path": file, "split": SPLITS[splits[image]], "source": "celeba"}
            for (image, who), file in zip(identities.items(), files, strict=True)
        ],
        (),
    ).drop_columns(["image"])
    for attribute, column in zip(attributes, columns, strict=True):
        table = table.append_column(attribute, pa.array(column, pa.float32()))
    faces = FaceSet(table, folder=folder.root, card={"source": str(root)})
    return check_crops(faces) if verify else faces


def _list(root: Path, name: str) -> Path:
    found = [root / folder / name for folder in _FOLDERS if (root / folder / name).is_file()]
    if not found:
        raise FaceGeomError(
            f"{name} is not in {root}, nor in {root / 'Anno'} or {root / 'Eval'}. CelebA has the "
            f"lists {ATTRIBUTES}, {IDENTITIES} and {PARTITION}; put all three there."
        )
    return found[0]


def _folder(root: Path, first: str) -> Path:
    """Return where the images are."""
    published = [root / folder for folder in _IMAGES if (root / folder).is_dir()]
    return published[0] if published else folder_with(root, first) or root


def _two_columns(path: Path) -> dict[str, str]:
    """Return the value of each image."""
    values: dict[str, str] = {}
    for row, line in enumerate(read_text(path).splitlines(), 1):
        fields = line.split()
        if len(fields) != 2:
            raise FaceGeomError(f"{path}, line {row}: expected IMAGE NUMBER, got {line!r}.")
        if fields[0] in values:
            raise FaceGeomError(f"{path}, line {row}: {fields[0]} stands there a second time.")
        values[fields[0]] = fields[1]
    if not values:
        raise FaceGeomError(f"{path} names no image.")
    return values


def _attributes(path: Path) -> tuple[list[str], dict[str, list[float]]]:
    """Return the names of the attributes, and their values for each image."""
    lines = read_text(path).splitlines()
    promised = whole(lines[0].strip()) if len(lines) > 1 else None
    if promised is None:
        raise FaceGeomError(f"{path} must begin with the number of images and a line of names.")
    names = lines[1].split()
    if len(set(names)) < len(names) or FIXED_COLUMNS.keys() & set(names):
        raise FaceGeomError(
            f"{path}, line 2: an attribute comes twice, or is called like a column of every face "
            f"set ({', '.join(FIXED_COLUMNS)}). Fetch the list again."
        )
    if len(lines) - 2 != promised:
        raise FaceGeomError(
            f"{path} has {len(lines) - 2} rows of images, but its first line promises {promised}. "
            "Fetch the list again."
        )
    values: dict[str, list[float]] = {}
    allowed = frozenset(_SIGNS)
    for number, line in enumerate(lines[2:], 3):
        image, *signs = line.split() or [""]
        if len(signs) != len(names) or not allowed.issuperset(signs):
            raise FaceGeomError(
                f"{path}, line {number}: expected an image and {len(names)} values of -1 or 1, got "
                f"{line[:80]!r}."
            )
        if image in values:
            raise FaceGeomError(f"{path}, line {number}: {image} stands there a second time.")
        values[image] = [_SIGNS[sign] for sign in signs]
    return names, values


def _agree(name: str, images: Collection[str], other: str, others: Collection[str]) -> None:
    """Require two lists to name the same images; their order does not matter."""
    for here, there, less, more in ((images, others, other, name), (others, images, name, other)):
        known = set(there)
        missing = [(row, image) for row, image in enumerate(here, 1) if image not in known]
        if missing:
            first = ", ".join(f"{image} (row {row})" for row, image in missing[:10])
            raise FaceGeomError(
                f"{less} lacks {len(missing)} images of {more}: {first}"
                f"{', ...' if len(missing) > 10 else ''}. Take lists that belong together."
            )
