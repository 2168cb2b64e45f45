"""Readers of faces that stand in folders: by identity sub-folder, or with a table of labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from os.path import isfile  # unlike Path's, false for a name that no file can have
from pathlib import Path
from typing import Any

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.image_files import files_below, is_image
from facegeom_lit.faces.lists import Table, utf8
from facegeom_lit.faces.sizes import check_crops


def read_folder(root: str | Path, *, verify: bool = True) -> FaceSet:
    """Read `root/<identity>/<image>`, sub-folders of an identity included.

    Args:
        root: The folder whose sub-folders are identities. An identity may have one image; who
            needs more asks `check_identities`.
        verify: Decode the images once now, so that a broken file or one that is no crop of
            112×112 pixels is found before the work (see `check_crops` for large folders). False
            reads images of any size.

    Returns:
        The set, ordered by identity and path. Images stay where they are.

    Raises:
        FaceGeomError: When the folder or an identity is empty, or an image cannot be read or has
            another size.
    """
    root = _existing(root)
    folders = sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith("."))
    rows: list[dict[str, Any]] = []
    left_out: list[Path] = []
    for folder in folders:
        files = list(files_below(folder))
        images = [file for file in files if is_image(file)]
        left_out += [folder / file for file in files if not is_image(file)]
        if not images:
            raise FaceGeomError(f"The identity folder {folder} holds no image. Remove it.")
        for file in images:
            path = utf8(f"{folder.name}/{file}")
            rows.append({"identity": folder.name, "path": path, "source": root.name})
    if not rows:
        raise FaceGeomError(f"{root} has no identity sub-folders: expected {root}/NAME/IMAGE.png.")
    if left_out:
        warnings.warn(
            f"{len(left_out)} files in {root} are no images by their suffix and are left out, "
            f"e.g. {left_out[0]}",
            stacklevel=2,
        )
    faces = FaceSet.from_rows(rows, folder=root, card={"source": str(root)})
    return check_crops(faces) if verify else faces


def read_csv(
    root: str | Path,
    csv: str | Path,
    columns: Mapping[str, str] | None = None,
    *,
    verify: bool = True,
) -> FaceSet:
    """Read images with a table of labels.

    Args:
        root: Folder of the images.
        csv: Table with the columns `path` (relative to `root`) and `identity`, and optionally
            `split`.
        columns: Attribute name → column of the table, e.g.
            `{"illumination": "light_azimuth_deg"}`. An empty cell means unknown.
        verify: As in `read_folder`.

    Raises:
        FaceGeomError: When a file or column is missing, a value is no number, or an image cannot
            be read or has another size; the message names the row or the file.
    """
    root, csv = _existing(root), Path(csv)
    columns = dict(columns or {})
    if not csv.is_file():
        raise FaceGeomError(f"The table of labels {csv} does not exist.")
    rows: list[dict[str, Any]] = []
    lines: dict[str, int] = {}
    missing: list[str] = []
    table = Table(csv)
    table.require("path", "identity", *columns.values())
    for line, record in table:
        where = f"{csv}, line {line}"
        if not record["path"] or not record["identity"]:
            raise FaceGeomError(f"{where}: path and identity must not be empty.")
        if record["path"] in lines:
            raise FaceGeomError(
                f"{where}: {record['path']} stands in line {lines[record['path']]} already. An "
                "image that comes twice would match itself; keep one of the lines."
            )
        lines[record["path"]] = line
        if not isfile(root / record["path"]):
            missing.append(f"{where}: the image {root / record['path']} does not exist.")
        values = {name: _number(record[column], where) for name, column in columns.items()}
        fixed = {"path": record["path"], "identity": record["identity"], "source": root.name}
        rows.append({**fixed, "split": record.get("split", ""), **values})
    if missing:
        more = f"\nand {len(missing) - 10} more" if len(missing) > 10 else ""
        raise FaceGeomError("\n".join(missing[:10]) + more)
    if not rows:
        raise FaceGeomError(f"{csv} has no rows.")
    faces = FaceSet.from_rows(rows, tuple(columns), folder=root, card={"source": str(root)})
    return check_crops(faces) if verify else faces


def _existing(root: str | Path) -> Path:
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FaceGeomError(f"The folder of faces {root} does not exist. Set data.root to yours.")
    return root


def _number(text: str, where: str) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FaceGeomError(f"{where}: {text!r} is not a finite number.")
    return value
