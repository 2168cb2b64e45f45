"""`facegeom check-crops`: are crops aligned to the ArcFace template?"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from tqdm import tqdm

from facegeom_lit.commands.check import INFINITE, check_values
from facegeom_lit.commands.composition import compose_config, path_given
from facegeom_lit.commands.crop import SETTINGS, SHEET, make_detector
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.alignment_check import (
    AlignmentCheck,
    Tolerance,
    check_alignment,
    common_orientation,
    find_points,
)
from facegeom_lit.faces.codec import decode
from facegeom_lit.faces.crop import TEMPLATE
from facegeom_lit.faces.detectors import LandmarkTable
from facegeom_lit.faces.face_set import CARD
from facegeom_lit.faces.image_files import files_below, is_image
from facegeom_lit.faces.opening import open_evaluation
from facegeom_lit.files import write_json
from facegeom_lit.models.landmarks import FivePointRegressor
from facegeom_lit.reporting.crop_figures import alignment_figure

RESULT, FIGURE = "check_crops.json", "check_crops.png"

Image = NDArray[np.uint8]
Locate = Callable[[Image], NDArray[np.float64]]

_LOOKED_AT = 24  # crops that say which way up a set is
_NUMBERS = {
    **{f"tolerance.{name}": (False, 0, INFINITE) for name in Tolerance.__match_args__},
    "doubt": (False, 1, INFINITE),
    "detector.min_score": (False, 0, 1),
    "detector.overlap": (False, 0, 1),
    "detector.longest_side": (True, 32, INFINITE),
}


def main(overrides: Sequence[str]) -> None:
    """Find five points in the crops, compare them with the template, and say what comes of it.

    Raises:
        FaceGeomError: When the configuration is wrong, the crops cannot be read, or, with
            `strict`, they are not aligned.
    """
    cfg = compose_config("check_crops", overrides)
    faces = Path(path_given(cfg, "faces", "FOLDER")).expanduser()
    check_values(cfg, _NUMBERS, ("strict",))
    cv2.setNumThreads(1)  # small pictures: threads cost more than they give
    tolerance = Tolerance(**cfg.tolerance)
    if cfg.limit is not None and (not isinstance(cfg.limit, int) or cfg.limit < 1):
        raise FaceGeomError(
            f"limit must be positive or null, got {cfg.limit!r}. Give a whole number."
        )
    count, read = _crops(faces)
    find = _finder(cfg)
    rows = np.unique(np.linspace(0, count - 1, min(cfg.limit or count, count)).astype(int))
    locate = find([read(int(row))[0] for row in rows[:: max(1, len(rows) // _LOOKED_AT)]])
    points = np.full((len(rows), 5, 2), np.nan)
    total: NDArray[np.float64] | None = None
    names = []
    for position, row in enumerate(tqdm(rows, unit=" crops")):
        image, name = read(int(row))
        names.append(name)
        if total is None:
            total = np.zeros(image.shape)
        if image.shape != total.shape:
            raise FaceGeomError(
                f"The crops differ in size: {names[0]} is {total.shape[1]}×{total.shape[0]}, "
                f"{name} {image.shape[1]}×{image.shape[0]}. Crops of one set must agree."
            )
        total += image
        points[position] = locate(image)
    assert total is not None
    shape = (total.shape[0], total.shape[1])
    by_detector = cfg.get("detector") is not None
    check = check_alignment(points, shape, tolerance, 1.0 if by_detector else cfg.doubt)
    print(_sentences(check, shape, [names[position] for position in check.outliers]))
    if cfg.output is not None:
        output = Path(path_given(cfg, "output", "FOLDER")).expanduser()
        figures = json.loads(json.dumps(check.to_json()), parse_constant=lambda _: None)
        write_json(output / RESULT, {"faces": str(cfg.faces), "shape": list(shape), **figures})
        found = points[np.isfinite(points).all((1, 2))]
        expected = (TEMPLATE + 0.5) * (max(shape) / 112) - 0.5
        mean = (total / len(rows)).round().astype(np.uint8)
        title = f"{cfg.faces}: {check.verdict} ({check.found} of {check.crops} crops)"
        alignment_figure(output / FIGURE, mean, expected, found, title)
        print(f"output: {output}")
    if cfg.strict and check.verdict != "aligned":
        raise FaceGeomError(f"strict: {cfg.faces}: {check.verdict}. {' '.join(check.reasons)}")


def _finder(cfg: DictConfig) -> Callable[[list[Image]], Locate]:
    """Return what makes, from some crops of the set, what finds the five points (5, 2) in each."""
    if cfg.get("detector") is not None:
        detector: Any = make_detector(cfg.detector)
        if isinstance(detector, LandmarkTable):
            raise FaceGeomError(
                "detector=landmarks knows photos, not crops. Choose yunet or insightface, or none."
            )
        detector.check([])

        def look(some: list[Image]) -> Locate:
            turns = common_orientation(some, detector)
            return lambda image: find_points(image, detector, turns)

        return look
    regressor = FivePointRegressor.load(path_given(cfg, "landmarks", "FOLDER"))

    def locate(image: Image) -> NDArray[np.float64]:
        height, width = image.shape[:2]
        side = max(height, width)
        square = np.zeros((side, side, 3), np.uint8)  # coordinates stay as they are
        square[:height, :width] = image
        crops = torch.from_numpy(square).permute(2, 0, 1)[None]
        return regressor.locate(crops)[0].double().numpy()

    return lambda _: locate


def _crops(faces: Path) -> tuple[int, Callable[[int], tuple[Image, str]]]:
    """Return the number of crops, and what reads one with its name."""
    made = (faces / CARD).is_file()  # a face set with its contact sheet
    loose = not made and faces.is_dir() and any(is_image(file.name) for file in faces.iterdir())
    if loose:
        own = SHEET if (faces / SETTINGS).is_file() else ""  # of `facegeom crop`
        names = [name for name in files_below(faces) if is_image(name) and name != own]

        def read_file(row: int) -> tuple[Image, str]:
            path = faces / names[row]
            return decode(path.read_bytes(), str(path)), str(path)

        return len(names), read_file
    opened: Any = open_evaluation(faces, verify=False)
    face_set = getattr(opened, "faces", opened)
    if face_set is None or not len(face_set):
        raise FaceGeomError(f"{faces} holds no images.")
    return len(face_set), lambda row: (face_set.image(row), face_set.name_of(row))


def _sentences(check: AlignmentCheck, shape: tuple[int, int], outliers: list[str]) -> str:
    lines = [f"crops: {check.crops} of {shape[1]}×{shape[0]} pixels; points found in {check.found}"]
    if not math.isnan(check.scale):
        x, y = check.offset
        points = ", ".join(f"{value:.1f}" for value in check.point_rms)
        lines += [
            f"offset: {x:+.1f} px to the right, {y:+.1f} px down (of a crop of 112)",
            f"scale: {check.scale:.3f} of the template",
            f"rotation: {check.rotation:+.1f}° clockwise, spread {check.rotation_spread:.1f}°",
            f"points: {points} px from the template (eyes, nose, mouth corners; RMS)",
            f"beyond tolerance: {100 * check.beyond:.1f} % of the crops",
        ]
    if outliers:
        more = f" and {len(outliers) - 5} more" if len(outliers) > 5 else ""
        lines.append(f"- Look at {', '.join(outliers[:5])}{more}: the farthest off.")
    lines += [f"- {reason}" for reason in check.reasons]
    if check.likely:
        lines.append(f"- This looks like {check.likely}.")
    if check.verdict == "cannot tell":
        lines.append("- A detector sees more: detector=yunet detector.model=FILE.")
    if check.verdict == "not aligned":
        lines.append("- Align the photos: facegeom crop photos=... output=... detector.model=...")
    return "\n".join([*lines, f"verdict: {check.verdict}"])
