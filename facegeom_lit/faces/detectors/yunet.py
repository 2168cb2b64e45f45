"""YuNet, OpenCV's small face detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.detectors.detection import Detection, file_hash, graph_outputs

_OUTPUTS = {f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)}
_AROUND = 1.5  # side of the region looked at again, over the box's longer side
_CLOSE = 448  # pixels of that region


@dataclass(frozen=True)
class YuNet:
    """OpenCV's `FaceDetectorYN`, used twice: on the photo, and close to each face.

    In a face of 60 pixels its points are off by 3 to 4 % of the face's size, in one of 250 by half
    of that; so each face found is enlarged (or reduced) to that size for its points.

    Args:
        model: The ONNX file: `face_detection_yunet_2023mar.onnx` of the OpenCV Zoo, or later.
        min_score: Less confident faces are left out.
        overlap: Of two boxes that overlap more (intersection over union), the better one stays.
        longest_side: Larger photos are scaled down to it first, for YuNet knows faces of about 10
            to 300 pixels. Where none is found, a half and a quarter of it are tried.

    Source:
        Wu, Peng, Yu: YuNet: A tiny millisecond-level face detector, MIR 2023; OpenCV Zoo,
        `models/face_detection_yunet`.
    """

    model: str
    min_score: float = 0.7
    overlap: float = 0.3
    longest_side: int = 640

    def __post_init__(self) -> None:
        for name in ("min_score", "overlap"):
            if not 0 < getattr(self, name) < 1:
                raise FaceGeomError(
                    f"detector.{name} must be between 0 and 1, got {getattr(self, name)}."
                )
        if self.longest_side < 32:
            raise FaceGeomError(
                f"detector.longest_side must be 32 pixels at least, got {self.longest_side}."
            )

    def facts(self) -> dict[str, Any]:
        """Return name, settings, and the file's hash."""
        path = Path(self.model).expanduser()
        return {"name": "yunet", **asdict(self), "model": path.name, "hash": file_hash(path)}

    def check(self, photos: Sequence[str]) -> None:
        """Load the network.

        Raises:
            FaceGeomError: When the file is missing, or is no YuNet.
        """
        _load(self)

    def detect(self, image: NDArray[np.uint8], path: str = "") -> list[Detection]:
        """Return the faces of an RGB photo (H, W, 3), the most confident first.

        Raises:
            FaceGeomError: When the network fails on it.
        """
        network = _load(self)
        bgr = np.ascontiguousarray(image[..., ::-1])
        try:
            found = self._detected(network, bgr)
            return [_refined(network, bgr, face) for face in found]
        except cv2.error as error:
            raise FaceGeomError(f"YuNet failed on {path or 'a photo'}: {error.err}.") from error

    def _detected(self, network: cv2.FaceDetectorYN, bgr: NDArray[np.uint8]) -> list[Detection]:
        """Return the faces of a photo, scaled down if it is large, or if none is found."""
        fitting = min(1.0, self.longest_side / max(bgr.shape[:2]))
        for scale in (fitting, fitting / 2, fitting / 4):
            size = [max(1, round(side * scale)) for side in bgr.shape[1::-1]]
            small: Any = bgr
            if scale < 1:
                small = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
            ratio = np.array(bgr.shape[1::-1]) / size  # sides are whole pixels
            if found := _run(network, small):
                return [_scaled(face, ratio, np.zeros(2)) for face in found]
        return []


def _refined(network: cv2.FaceDetectorYN, bgr: NDArray[np.uint8], face: Detection) -> Detection:
    """Look again at one face, at the size at which YuNet places its points best."""
    corners = face.box.reshape(2, 2)
    side = _AROUND * float((corners[1] - corners[0]).max())
    corner = corners.mean(0) - side / 2
    ratio = side / _CLOSE
    matrix = np.array([[1, 0, -corner[0]], [0, 1, -corner[1]]]) / ratio
    method = cv2.INTER_AREA if ratio > 1 else cv2.INTER_LINEAR
    close: Any = cv2.warpAffine(bgr, matrix, (_CLOSE, _CLOSE), flags=method)
    again = [_scaled(found, np.full(2, ratio), corner) for found in _run(network, close)]
    best = max(again, key=lambda found: _overlap(found.box, face.box), default=face)
    if _overlap(best.box, face.box) < 0.5:
        return face
    return Detection(best.box, face.score, best.landmarks)


def _run(network: cv2.FaceDetectorYN, bgr: NDArray[np.uint8]) -> list[Detection]:
    network.setInputSize(bgr.shape[1::-1])
    found = network.detect(bgr)[1]
    rows = np.zeros((0, 15)) if found is None else np.asarray(found, dtype=np.float64)
    rows = rows[np.isfinite(rows).all(1)]
    return [  # box (x, y, width, height), five points, score
        Detection(np.concatenate([r[:2], r[:2] + r[2:4]]), float(r[14]), r[4:14].reshape(5, 2))
        for r in rows[np.argsort(-rows[:, 14], kind="stable")]
    ]


def _scaled(face: Detection, ratio: NDArray[np.float64], corner: NDArray[np.float64]) -> Detection:
    """Return a face in pixels of the photo whose part at `corner` was scaled by 1 / `ratio`."""
    box = (face.box.reshape(2, 2) * ratio + corner).ravel()
    return Detection(box, face.score, (face.landmarks + 0.5) * ratio - 0.5 + corner)


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Intersection over union of two boxes."""
    common = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return float(common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common))


@lru_cache(2)
def _load(settings: YuNet) -> cv2.FaceDetectorYN:
    path = Path(settings.model).expanduser()
    outputs = graph_outputs(path)
    if not set(outputs) >= _OUTPUTS:
        raise FaceGeomError(
            f"{path} is no YuNet: its outputs are {', '.join(outputs[:6])}, those of "
            "face_detection_yunet_2023mar.onnx are cls_8, obj_8, bbox_8, kps_8 and so on. For an "
            "InsightFace detector choose detector=insightface."
        )
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it talks about targets
    try:
        return cv2.FaceDetectorYN.create(
            str(path), "", (320, 320), settings.min_score, settings.overlap
        )
    except cv2.error as error:
        raise FaceGeomError(f"OpenCV cannot load {path}: {error.err}.") from error
    finally:
        cv2.utils.logging.setLogLevel(level)
