"""Every public way in through which a file from elsewhere comes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from facegeom_lit.commands.analyze_sets import open_file
from facegeom_lit.commands.export import read_crops
from facegeom_lit.evaluation.embedding_file import read_embedding_file
from facegeom_lit.evaluation.measure import evaluation_set_hash, faces_of
from facegeom_lit.faces.detectors import InsightFaceDetector, LandmarkTable, YuNet
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder_writer import write_folder
from facegeom_lit.faces.opening import open_evaluation, open_faces
from facegeom_lit.models import load_face_model
from facegeom_lit.models.weights.export_pack import check_pack


def _faces(source: Any) -> None:
    _every_image(open_faces(source))


def _evaluation(source: Any) -> None:
    found = open_evaluation(source)
    evaluation_set_hash(found)
    if (faces := faces_of(found)) is not None:
        _every_image(faces)


def _every_image(faces: FaceSet) -> None:
    for row in range(len(faces)):
        faces.image(row)


def _folders(source: Any) -> None:
    write_folder(open_faces(source, verify=False), Path(source).parent / "written")


WAYS: dict[str, Callable[[Any], object]] = {
    "model": load_face_model,
    "faces": _faces,
    "evaluation": _evaluation,
    "folders": _folders,
    "crops": lambda path: read_crops(str(path), 2),
    "embeddings": read_embedding_file,
    "analysis": open_file,
    "landmarks": lambda path: LandmarkTable(str(path)).check(["a.png"]),
    "yunet": lambda path: YuNet(str(path)).check([]),
    "insightface": lambda path: InsightFaceDetector(str(path)).check([]),
    "pack": lambda path: check_pack(path.parent / "root", "mine", path),
}
"""What opens a case, by the first word of its name."""
