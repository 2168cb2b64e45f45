"""IJB-B and IJB-C in the layout that InsightFace publishes: template lists, pairs and crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import torch
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode, encode
from facegeom_lit.faces.crop import align
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.image_folder import ImageFolder
from facegeom_lit.faces.lists import Table, read_text, whole
from facegeom_lit.faces.template_set import TemplateSet

MEMBERS = "_face_tid_mid.txt"
"""End of the name of the list by which the layout is recognised; before it: ijbb or ijbc."""


def meta_folder(root: Path) -> Path | None:
    """Return the folder of the lists, `root/meta` or `root` itself; None: neither is."""
    return next((f for f in (root / "meta", root) if any(f.glob(f"*{MEMBERS}"))), None)


def read_ijb(
    root: str | Path,
    images: str | Path | None = None,
    embeddings: str | Path | None = None,
    name: str | None = None,
) -> TemplateSet:
    """Read the protocols of IJB-B or IJB-C.

    Args:
        root: Holds `meta/` with `ijbc_face_tid_mid.txt` (IMAGE TEMPLATE MEDIUM),
            `ijbc_template_pair_label.txt` (TEMPLATE TEMPLATE 1|0), and, where there are,
            `ijbc_name_5pts_score.txt` (IMAGE, five landmarks x y, detector score) and the lists
            `ijbc_1N_gallery_G1.csv`, `_G2.csv` (S1 and S2 in IJB-B) and `ijbc_1N_probe_mixed.csv`
            (a header; TEMPLATE_ID,SUBJECT_ID,…).
        images: Folder of aligned crops by image name; None: those of `root/loose_crop`, aligned by
            the published landmarks as they are read.
        embeddings: `.npy` or `.npz` of shape (N, D), a row for each line of the first list, used
            instead of images.
        name: Name of the set; None: `ijbb` or `ijbc`.

    Raises:
        FaceGeomError: When a list or an image is missing, a row is wrong (the message names it),
            or two lists disagree.

    Source: deepinsight/insightface, `recognition/_evaluation_/ijb`.
    """
    root = Path(root).expanduser()
    meta = meta_folder(root)
    if meta is None:
        raise FaceGeomError(f"{root} holds no list *{MEMBERS}, neither in meta nor in itself.")
    members = sorted(meta.glob(f"*{MEMBERS}"))[0]
    prefix = members.name.removesuffix(MEMBERS)
    names, ids = _members(members)
    templates, media = torch.from_numpy(ids).unbind(1)
    points_list = meta / f"{prefix}_name_5pts_score.txt"
    points = _points(points_list, names) if points_list.is_file() else None
    notes = [f"lists from {meta}"]
    faces = given = None
    if embeddings is not None:
        given = read_embeddings(embeddings)
        notes.append(f"embeddings from {embeddings}")
    else:
        faces, note = _faces(root, images, names, ids[:, 0], points, points_list)
        notes.append(note)
    pairs, same = _pairs(meta / f"{prefix}_template_pair_label.txt")
    galleries = sorted(meta.glob(f"{prefix}_1N_gallery_*.csv"))
    probes = meta / f"{prefix}_1N_probe_mixed.csv"
    return TemplateSet(
        name or prefix,
        faces,
        given,
        templates.contiguous(),
        media.contiguous(),
        pairs,
        same,
        None if points is None else torch.from_numpy(points[:, 10].astype(np.float32)),
        tuple(_subjects(path) for path in galleries),
        _subjects(probes) if probes.is_file() else None,
        tuple(notes),
    )


class LooseCrops:
    """Photos with landmarks, aligned when they are read.

    Args:
        folder: Folder of the photos.
        files: Path of each photo in it.
        landmarks: (N, 5, 2), pixels of the photo.
    """

    def __init__(self, folder: Path, files: list[str], landmarks: NDArray[np.float64]) -> None:
        self._folder = folder
        self._files = files
        self._landmarks = landmarks

    def read(self, row: int) -> bytes:
        """Return the crop of 112×112 pixels as PNG.

        Raises:
            FaceGeomError: When the photo cannot be read, or its landmarks are at one place.
        """
        file = self._folder / self._files[row]
        try:
            photo = decode(file.read_bytes(), str(file))
        except OSError as error:
            raise FaceGeomError(f"Cannot read {file}: {error.strerror}. Put it back.") from error
        try:
            return encode(align(photo, self._landmarks[row]), "png", 100)
        except FaceGeomError as error:
            raise FaceGeomError(f"{file}: {error} Correct its landmarks.") from error


def _faces(
    root: Path,
    images: str | Path | None,
    names: list[str],
    templates: NDArray[np.int64],
    points: NDArray[np.float64] | None,
    points_list: Path,
) -> tuple[FaceSet, str]:
    """Return the crops, whose identity is their template, and what was taken."""
    folder = ImageFolder(root / "loose_crop" if images is None else images)
    files = folder.find(names, str(points_list if images is None else folder.root))
    who, labels = np.unique(templates, return_inverse=True)
    people = [f"template {number}" for number in who]
    if images is not None:
        rows = [
            {"identity": people[label], "path": file, "source": root.name}
            for label, file in zip(labels, files, strict=True)
        ]
        card = {"source": str(folder.root)}
        return FaceSet.from_rows(rows, folder=folder.root, card=card), f"crops of {folder.root}"
    if points is None:
        raise FaceGeomError(
            f"{points_list} does not exist: without landmarks {folder.root} cannot be aligned. Put "
            "the list there, or name a folder of aligned crops with images=."
        )
    store = LooseCrops(folder.root, files, points[:, :10].reshape(-1, 5, 2))
    faces = FaceSet.from_store(store, labels, people, folder.root)
    return faces, f"images of {folder.root}, aligned by {points_list.name}"


def _members(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Return image names, and template and medium of each, int64 (N, 2)."""
    names, ids = [], []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        image, *numbers = line.split() or [""]
        pair = [whole(text) for text in numbers]
        if len(pair) != 2 or None in pair:
            raise FaceGeomError(
                f"{path}, line {number}: expected IMAGE TEMPLATE MEDIUM, got {line!r}."
            )
        names.append(image)
        ids.append(pair)
    if not names:
        raise FaceGeomError(f"{path} names no image.")
    return names, np.array(ids, dtype=np.int64)


def _points(path: Path, names: list[str]) -> NDArray[np.float64]:
    """Return ten coordinates and the detector's score of each image, (N, 11)."""
    lines = read_text(path).splitlines()
    if len(lines) != len(names):
        raise FaceGeomError(f"{path} has {len(lines)} rows, the template list {len(names)} images.")
    values = np.empty((len(names), 11))
    for row, (line, name) in enumerate(zip(lines, names, strict=True)):
        image, *numbers = line.split() or [""]
        if image != name:
            raise FaceGeomError(
                f"{path}, line {row + 1}: {image!r}, but the template list has {name!r} there. "
                "Take lists that belong together."
            )
        try:
            values[row] = list(map(float, numbers)) if len(numbers) == 11 else np.nan
        except ValueError:
            values[row] = np.nan
    if len(wrong := np.flatnonzero(~np.isfinite(values).all(axis=1))):
        raise FaceGeomError(
            f"{path}, line {wrong[0] + 1}: expected IMAGE and 11 finite numbers, got "
            f"{lines[wrong[0]]!r}."
        )
    return values


def _pairs(path: Path) -> tuple[Tensor, Tensor]:
    """Return the pairs of templates, int64 (P, 2), and whether each is of one person.

    Parsed by Arrow: IJB-C has 15.7 million lines.
    """
    columns = ["first", "second", "same"]
    try:
        table = pa_csv.read_csv(
            path,
            pa_csv.ReadOptions(column_names=columns, use_threads=False),
            pa_csv.ParseOptions(delimiter=" "),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.int64())),
        )
    except (OSError, pa.ArrowException) as error:
        raise FaceGeomError(
            f"{path} is no list of TEMPLATE TEMPLATE 1|0, separated by one space ({error}). "
            "Fetch it again."
        ) from error
    first, second, same = (table[name].to_numpy() for name in columns)
    if len(wrong := np.flatnonzero((same != 0) & (same != 1))):
        raise FaceGeomError(
            f"{path}, line {wrong[0] + 1}: the label {same[wrong[0]]} is neither 1 nor 0."
        )
    return torch.from_numpy(np.stack([first, second], 1)), torch.from_numpy(same == 1)


def _subjects(path: Path) -> Tensor:
    """Return the different (template, subject) of a gallery or probe list, int64 (G, 2)."""
    table, rows = Table(path), []
    for line, record in table:
        ids = [whole(text.strip()) for text in list(record.values())[:2]]
        if len(ids) != 2 or None in ids:
            raise FaceGeomError(
                f"{path}, line {line}: expected TEMPLATE_ID,SUBJECT_ID,..., got {record}."
            )
        rows.append(ids)
    if not rows:
        raise FaceGeomError(f"{path} has no rows below its header.")
    found = np.unique(np.array(rows, dtype=np.int64), axis=0)
    templates, counts = np.unique(found[:, 0], return_counts=True)
    if len(templates) < len(found):
        raise FaceGeomError(f"{path}: template {templates[counts > 1][0]} has two subjects.")
    return torch.from_numpy(found)


def read_embeddings(path: str | Path) -> Tensor:
    """Read embeddings that were computed elsewhere, float32 (N, D).

    Args:
        path: `.npy`, or `.npz` with this one array. Nothing is unpickled.

    Raises:
        FaceGeomError: When it is no such file, or holds a value that is not finite.
    """
    path = Path(path).expanduser()
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.lib.npyio.NpzFile):
            if len(loaded.files) != 1:
                raise FaceGeomError(f"{path} holds the arrays {loaded.files}; keep one of them.")
            loaded = loaded[loaded.files[0]]
        values = np.asarray(loaded, np.float32)
    except FaceGeomError:
        raise
    except Exception as error:  # a damaged archive fails in many ways
        raise FaceGeomError(
            f"{path} is no array of embeddings (.npy, .npz): {error}. Get it anew."
        ) from error
    if values.ndim != 2:
        raise FaceGeomError(f"{path} has shape {values.shape}; embeddings have shape (N, D).")
    if len(wrong := np.flatnonzero(~np.isfinite(values).all(axis=1))):
        raise FaceGeomError(
            f"{path}: {len(wrong)} rows hold a value that is not finite, the first is row "
            f"{wrong[0]}. Compute them anew."
        )
    return torch.from_numpy(values)
