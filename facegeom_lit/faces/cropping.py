"""Photos → aligned crops: what is done with one photo, and what its line of the report says."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import ImageFormat, decode, encode
from facegeom_lit.faces.crop import Border, align, template
from facegeom_lit.faces.detectors.detection import Detection, Detector
from facegeom_lit.faces.image_files import SUFFIXES, files_below, is_image
from facegeom_lit.files import atomic_path

Faces = Literal["refuse", "largest", "central", "all"]
Status = Literal["cropped", "no_face", "many_faces", "unreadable"]


@dataclass(frozen=True)
class CropSettings:
    """How crops are made.

    Args:
        size: Pixels of a side: a multiple of 112 or of 128.
        border: What stands beyond the photo's edge; see `facegeom_lit.faces.crop.align`.
        faces: What happens to a photo with several faces: `refuse` writes none, `largest` takes
            the face with the largest box, `central` the one nearest to the photo's middle, `all`
            writes every face to a file of its own.
        image_format: `png` or `webp` (both keep every pixel value) or `jpeg`.
        quality: Of JPEG, 1–100.

    Raises:
        FaceGeomError: When a value is none of these.
    """

    size: int = 112
    border: Border = "constant"
    faces: Faces = "refuse"
    image_format: ImageFormat = "png"
    quality: int = 95

    def __post_init__(self) -> None:
        template(self.size)
        choices = {"border": Border, "faces": Faces, "image_format": ImageFormat}
        for name, known in choices.items():
            if getattr(self, name) not in get_args(known):
                raise FaceGeomError(
                    f"{name} must be one of {', '.join(get_args(known))}, got "
                    f"{getattr(self, name)!r}."
                )
        if not 1 <= self.quality <= 100:
            raise FaceGeomError(f"quality must be from 1 to 100, got {self.quality}.")

    def crop_path(self, photo: str, face: int) -> str:
        """Return where the crop of a photo stands, both relative to their folders."""
        suffix = {"png": ".png", "webp": ".webp", "jpeg": ".jpg"}[self.image_format]
        number = f".face{face}" if self.faces == "all" else ""
        return Path(photo).with_suffix(f"{number}{suffix}").as_posix()


@dataclass(frozen=True, slots=True)
class Cropped:
    """One line of the report: a photo, and what became of it (of each face with `faces: all`).

    Attributes:
        path: The photo, relative to the folder of the photos.
        status: `cropped`, `no_face`, `many_faces` (not written) or `unreadable`.
        faces: Number of faces found.
        crop: The file written, relative to the output; empty if none.
        face: The face that was taken; None if none.
        modified: When the photo was written, in ns since 1970: a newer one is cropped anew.
        note: What is wrong with an unreadable photo.
    """

    path: str
    status: Status
    faces: int = 0
    crop: str = ""
    face: Detection | None = None
    modified: int = 0
    note: str = ""


def find_photos(root: Path, settings: CropSettings) -> list[str]:
    """List the photos below a folder, in sorted order, as paths relative to it.

    Hidden files are left out; so are files that are no images by their suffix, with a warning.

    Raises:
        FaceGeomError: When there is none, or two would be written to the same crop.
    """
    if not root.is_dir():
        raise FaceGeomError(f"The folder of photos {root} does not exist. Set photos to yours.")
    names = list(files_below(root))
    photos = [path for path in names if is_image(path)]
    others = [path for path in names if not is_image(path)]
    if not photos:
        raise FaceGeomError(
            f"{root} holds no photo with one of the suffixes {', '.join(sorted(SUFFIXES))}."
        )
    if others:
        warnings.warn(
            f"{len(others)} files in {root} are no images by their suffix and are left out, "
            f"e.g. {others[0]}",
            stacklevel=2,
        )
    sources: dict[str, list[str]] = defaultdict(list)
    for photo in photos:
        sources[settings.crop_path(photo, 0)].append(photo)
    if clash := next((both for both in sources.values() if len(both) > 1), None):
        raise FaceGeomError(
            f"{' and '.join(clash)} in {root} would both be written to "
            f"{settings.crop_path(clash[0], 0)}. Rename one of them."
        )
    return photos


def crop_photos(
    photos: Sequence[str], root: Path, output: Path, detector: Detector, settings: CropSettings
) -> list[list[Cropped]]:
    """Detect, align and write the faces of some photos.

    Args:
        photos: Paths relative to `root`.
        root: The folder of the photos.
        output: The folder of the crops; it takes the same tree.
        detector: Finds the faces.
        settings: How crops are made.

    Returns:
        For each photo its lines of the report.

    Raises:
        FaceGeomError: When a crop cannot be written.
    """
    cv2.setNumThreads(1)  # the photos are shared out to processes
    return [_crop_photo(photo, root, output, detector, settings) for photo in photos]


def _crop_photo(
    photo: str, root: Path, output: Path, detector: Detector, settings: CropSettings
) -> list[Cropped]:
    modified = modified_ns(root / photo)
    try:
        image = decode((root / photo).read_bytes(), str(root / photo))
    except FaceGeomError as error:
        # without the address of the buffer that Pillow names: the same photo, the same report
        note = re.sub(r" <[^>]* at 0x\w+>", "", str(error))
        return [Cropped(photo, "unreadable", modified=modified, note=note)]
    except OSError as error:
        return [Cropped(photo, "unreadable", modified=modified, note=f"{error.strerror}")]
    found = detector.detect(image, photo)
    chosen = choose_faces(found, image.shape[:2], settings.faces)
    if not chosen:
        status: Status = "many_faces" if found else "no_face"
        return [Cropped(photo, status, len(found), modified=modified)]
    lines = []
    for number, face in enumerate(chosen):
        crop = settings.crop_path(photo, number)
        aligned = align(image, face.landmarks, settings.size, settings.border)
        with atomic_path(output / crop) as temporary:
            temporary.write_bytes(encode(aligned, settings.image_format, settings.quality))
        lines.append(Cropped(photo, "cropped", len(found), crop, face, modified))
    return lines


def modified_ns(photo: Path) -> int:
    """Return when a photo was written, in ns since 1970; 0 where it cannot be told."""
    try:
        return photo.stat().st_mtime_ns
    except OSError:
        return 0


def choose_faces(
    found: Sequence[Detection], shape: tuple[int, ...], faces: Faces
) -> list[Detection]:
    """Return the faces of one photo (height, width) that are to be cut out."""
    if len(found) < 2 or faces == "all":
        return list(found)
    if faces == "refuse":
        return []
    boxes = np.stack([face.box for face in found])
    if faces == "largest":
        return [found[int(np.argmax((boxes[:, 2:] - boxes[:, :2]).prod(1)))]]
    away = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.array(shape[1::-1]) / 2
    return [found[int(np.argmin((away**2).sum(1)))]]


def settings_facts(photos: Path, detector: Detector, settings: CropSettings) -> dict[str, Any]:
    """Return all that decides the crops: photos, detector, settings."""
    facts: dict[str, Any] = {name: getattr(settings, name) for name in settings.__match_args__}
    return {"photos": str(photos.resolve()), "detector": detector.facts(), **facts}
