"""Writes a face model with a detector as a model pack for InsightFace's `FaceAnalysis`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_folder
from facegeom_lit.models.face_model import FaceModel
from facegeom_lit.models.weights.export_onnx import export_onnx
from facegeom_lit.models.weights.export_parity import ParityReport, import_insightface
from facegeom_lit.models.weights.onnx_session import open_session, reason
from facegeom_lit.models.weights.yunet_as_scrfd import is_yunet, yunet_as_scrfd

DETECTOR_OUTPUTS = (9, 15)
"""Outputs of a detector that gives scores, boxes and five points, at three or five strides."""


def export_pack(
    model: FaceModel,
    root: str | Path,
    name: str,
    detector: str | Path,
    *,
    faces: Tensor | None = None,
) -> ParityReport:
    """Write the pack `root/models/name`: the detector, and the model as `w_<name>.onnx`.

    `FaceAnalysis(name=name, root=root)` loads it. Where insightface is installed, the pack is
    loaded, and its detector run once, before it gets its name.

    Args:
        model: The model; left as it is.
        root: Folder of the folder `models`, as `~/.insightface`.
        name: Name of the pack.
        detector: A SCRFD or RetinaFace ONNX, which is copied, or OpenCV's YuNet, which is given
            SCRFD's outputs.
        faces: As for `export_onnx`.

    Returns:
        How well the pack's recognition file agrees with the model.

    Raises:
        FaceGeomError: When the detector is none, the folder holds other files, or the model
            cannot be exported. Then nothing is written.
    """
    root, detector = Path(root).expanduser(), Path(detector).expanduser()
    content = check_pack(root, name, detector)
    with atomic_folder(root / "models" / name) as aside:
        (aside / _file_name(detector)).write_bytes(content)
        report = export_onnx(model, aside / f"w_{name}.onnx", faces=faces)
        _check_loading(aside, root, detector)
    return report


def check_pack(root: Path, name: str, detector: Path) -> bytes:
    """Find out whether a pack can be written, before the work.

    Args:
        root: As for `export_pack`.
        name: As for `export_pack`.
        detector: As for `export_pack`.

    Returns:
        The detector's file for the pack.

    Raises:
        FaceGeomError: When the name is none, the detector is none, or the folder holds other files.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise FaceGeomError(
            "A pack's name is one of a folder: letters, digits, '_', '-' and '.'; got "
            f"{name!r}. Give name=."
        )
    recognition, folder = f"w_{name}.onnx", root / "models" / name
    if _file_name(detector) == recognition:
        raise FaceGeomError(f"The detector {detector} is named like the face model; rename it.")
    found = sorted(f.name for f in folder.iterdir()) if folder.is_dir() else []
    if others := [file for file in found if file not in (_file_name(detector), recognition)]:
        raise FaceGeomError(
            f"{folder} exists and holds {', '.join(others[:4])}, which FaceAnalysis would load as "
            "well. Choose another name=."
        )
    return _read_detector(detector)


def _read_detector(path: Path) -> bytes:
    """Read a detector for `FaceAnalysis`; a YuNet file comes back with SCRFD's outputs.

    Raises:
        FaceGeomError: When the file is no ONNX, or no detector that gives five points.
    """
    outputs = open_session(path).get_outputs()
    content = path.read_bytes()
    if len(outputs) in DETECTOR_OUTPUTS:
        return content
    try:
        model = onnx.load_from_string(content)
    except DecodeError:
        pass  # onnxruntime has a format of its own, which InsightFace cannot read
    else:
        if is_yunet(model):
            return yunet_as_scrfd(model).SerializeToString()
    raise FaceGeomError(
        f"{path} is no face detector that FaceAnalysis can align faces by: it has {len(outputs)} "
        f"outputs ({', '.join(o.name for o in outputs[:4])}), a detector with five points has "
        f"{' or '.join(map(str, DETECTOR_OUTPUTS))}. Give the det_10g.onnx of an "
        "InsightFace pack, or OpenCV's YuNet."
    )


def _check_loading(folder: Path, root: Path, detector: Path) -> None:
    insightface = import_insightface()
    if insightface is None:
        return
    try:
        app: Any = insightface.app.FaceAnalysis(
            name=folder.name, root=str(root), providers=["CPUExecutionProvider"]
        )
        app.prepare(ctx_id=-1, det_size=(128, 128))
        app.get(np.zeros((128, 128, 3), np.uint8))
    except Exception as error:  # a graph of another network fails in its own ways
        raise FaceGeomError(
            f"{detector} does not run as a face detector in insightface: {reason(error)}."
        ) from error
    if sorted(app.models) != ["detection", "recognition"]:
        raise FaceGeomError(f"insightface finds {sorted(app.models)} in the pack with {detector}.")


def _file_name(detector: Path) -> str:
    """The detector's name in the pack: FaceAnalysis looks at files *.onnx only."""
    return f"{detector.stem}.onnx"
