"""The detectors of InsightFace's model packs: SCRFD and RetinaFace."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.detectors.detection import Detection, file_hash, graph_outputs

_BOXES_ONLY, _WITH_POINTS = (6, 10), (9, 15)  # outputs of a detector, by the number of strides


@dataclass(frozen=True)
class InsightFaceDetector:
    """The detector of an InsightFace pack, run by `insightface` with onnxruntime.

    Nothing is ever downloaded.

    Args:
        model: A detector's ONNX file (`det_10g.onnx`), a pack's folder, or the name of a pack in
            `root`/models (`buffalo_l`).
        min_score: Less confident faces are left out.
        overlap: Of two boxes that overlap more (intersection over union), the better one stays.
        sizes: Sides of the squares that a photo is fitted into; several are merged, and the small
            one finds faces that fill the photo.
        providers: Of onnxruntime, e.g. `[CUDAExecutionProvider, CPUExecutionProvider]`.
        root: Where InsightFace keeps its packs.

    Source:
        Guo et al.: Sample and computation redistribution for efficient face detection, ICLR 2022;
        `insightface.app.FaceAnalysis`.
    """

    model: str
    min_score: float = 0.5
    overlap: float = 0.4
    sizes: tuple[int, ...] = (128, 640)
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    root: str = "~/.insightface"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))  # lists, as configurations give
        object.__setattr__(self, "providers", tuple(self.providers))
        for name in ("min_score", "overlap"):
            if not 0 < getattr(self, name) < 1:
                raise FaceGeomError(
                    f"detector.{name} must be between 0 and 1, got {getattr(self, name)}."
                )
        if not self.sizes or any(size <= 0 or size % 32 for size in self.sizes):
            raise FaceGeomError(
                f"detector.sizes must be multiples of 32 pixels, got {list(self.sizes)}."
            )

    def facts(self) -> dict[str, Any]:
        """Return name, settings, and the file's hash."""
        path = self.file()
        settings = {key: value for key, value in asdict(self).items() if key != "root"}
        settings |= {"sizes": list(self.sizes), "providers": list(self.providers)}
        return {"name": "insightface", **settings, "model": path.name, "hash": file_hash(path)}

    def check(self, photos: Sequence[str]) -> None:
        """Load the network.

        Raises:
            FaceGeomError: When there is no such pack or file, or it is no detector of five points.
        """
        _load(self)

    def detect(self, image: NDArray[np.uint8], path: str = "") -> list[Detection]:
        """Return the faces of an RGB photo (H, W, 3), the most confident first."""
        boxes, points = _load(self).detect(np.ascontiguousarray(image[..., ::-1]))
        boxes, points = np.asarray(boxes, np.float64), np.asarray(points, np.float64)
        finite = np.isfinite(boxes).all(1) & np.isfinite(points).all((1, 2))
        return [
            Detection(box[:4], float(box[4]), five)
            for box, five in zip(boxes[finite], points[finite], strict=True)
        ]

    def file(self) -> Path:
        """Return the detector's ONNX file.

        Raises:
            FaceGeomError: When there is none.
        """
        given = Path(self.model).expanduser()
        packs = Path(self.root).expanduser() / "models"
        if given.suffix == ".onnx":
            return given
        folder = given if given.is_dir() else packs / self.model
        if not folder.is_dir():
            there = sorted(pack.name for pack in packs.glob("*") if pack.is_dir())
            raise FaceGeomError(
                f"There is no InsightFace pack {self.model!r}: neither a folder of that name nor "
                f"{folder} exists. Nothing is downloaded here: fetch the pack with InsightFace, or "
                f"set detector.model to its folder. Packs there: {', '.join(there) or 'none'}."
            )
        files = sorted(folder.glob("*.onnx"), key=lambda f: (not f.name.startswith("det"), f.name))
        for file in files:
            if len(graph_outputs(file)) in (*_WITH_POINTS, *_BOXES_ONLY):
                return file
        names = ", ".join(file.name for file in files) or "no ONNX file"
        raise FaceGeomError(f"{folder} holds no face detector; there is {names}.")


@lru_cache(2)
def _load(settings: InsightFaceDetector) -> Any:
    path = settings.file()
    outputs = len(graph_outputs(path))
    if outputs in _BOXES_ONLY:
        raise FaceGeomError(
            f"{path} finds boxes only, without the five points that alignment needs. Take the "
            "detector with key points, e.g. det_10g.onnx or scrfd_10g_bnkps.onnx."
        )
    if outputs not in _WITH_POINTS:
        raise FaceGeomError(
            f"{path} is no InsightFace detector: it has {outputs} outputs, a detector of "
            f"five points {' or '.join(map(str, _WITH_POINTS))}. A pack's is det_*.onnx."
        )
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # insightface imports albumentations
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
        from insightface.model_zoo import get_model
    except ImportError as error:
        raise FaceGeomError(
            f"detector=insightface needs the package insightface ({error}): "
            "pip install facegeom-lit[insightface]."
        ) from error
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the photos are shared out to processes
    try:
        detector = get_model(str(path), providers=list(settings.providers), sess_options=options)
    except Exception as error:  # onnxruntime's errors have no common class
        raise FaceGeomError(f"InsightFace cannot load {path}: {error}.") from error
    detector.prepare(
        0,
        input_size=[(size, size) for size in settings.sizes],
        det_thresh=settings.min_score,
        nms_thresh=settings.overlap,
    )
    return detector
