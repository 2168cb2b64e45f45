"""Writer of identity folders: `folder/<identity>/<image>`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode, portable
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.files import new_folder


def write_folder(faces: FaceSet, folder: str | Path) -> None:
    """Write every image as a file into the folder of its person, all or none.

    JPEG and PNG files are stored as they are, others as PNG. Each is decoded once, so a broken one
    is found.

    Args:
        faces: What to write.
        folder: A new folder.

    Raises:
        FaceGeomError: When the folder is not new or cannot be written, an image is broken, or a
            person's name is no name of a folder.
    """
    check_folder_names(faces.classes)
    written: Counter[int] = Counter()
    labels = faces.labels.tolist()
    with new_folder(folder) as aside:
        for name in faces.classes:
            (aside / name).mkdir()
        for row, label in enumerate(tqdm(labels, desc="write images", unit=" images", delay=1)):
            data = faces.encoded(row)
            data, suffix = portable(data, decode(data, faces.name_of(row)))
            path = aside / faces.classes[label] / f"{written[label]:06d}{suffix}"
            path.write_bytes(data)
            written[label] += 1


def check_folder_names(names: Iterable[str]) -> None:
    """Require names that a folder can have.

    Raises:
        FaceGeomError: When one is empty, starts with a dot, or holds a slash or a control
            character.
    """
    for name in names:
        hostile = not name or name.startswith(".") or "/" in name or "\\" in name
        if hostile or not name.isprintable():
            raise FaceGeomError(
                f"The identity {name!r} is no name of a folder. Rename it: no slash, no dot at "
                "the start, no control character."
            )
