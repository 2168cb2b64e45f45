"""Does `facegeom check-crops` notice wrongly aligned crops? Known misalignments of real faces.

    python benchmarks/crop_alignment.py [root]

`root` holds `faces/att` with `embeddings/att.npz` (photos and five landmarks), `faces/yale_b`
(aligned crops in every light) and `weights/yunet_detector`. The photos are cropped rightly, and
wrongly in known ways; each set is judged by YuNet and by the embedded five-point network. Writes
benchmarks/results/crop_alignment.csv: what was done, and what was measured.
"""

from __future__ import annotations

import csv
import math
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from facegeom_lit.faces.alignment_check import (
    OTHER_TEMPLATES,
    check_alignment,
    common_orientation,
    find_points,
)
from facegeom_lit.faces.codec import decode
from facegeom_lit.faces.crop import TEMPLATE, estimate_similarity, fit_similarity
from facegeom_lit.faces.detectors import YuNet
from facegeom_lit.models.landmarks import FivePointRegressor
from facegeom_lit.resources import resource

RESULTS = Path(__file__).parent / "results" / "crop_alignment.csv"
EVERY = {"att": 8, "yale_b": 48}  # one image of so many
DOUBT = 1.5  # of the embedded network, as in conf/check_crops.yaml
SIDE = 112
Image = NDArray[np.uint8]
Matrix = NDArray[np.float64]


def around(scale: float = 1.0, degrees: float = 0.0, x: float = 0.0, y: float = 0.0) -> Matrix:
    """Similarity about the template's centre: larger faces, turned clockwise, moved right, down."""
    angle, center = math.radians(degrees), TEMPLATE.mean(0)
    a, b = scale * math.cos(angle), scale * math.sin(angle)
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, center + np.array([x, y]) - turn @ center])


#: What is done to a right crop: a matrix (2, 3) on its pixels, and whether it should be noticed.
CASES: dict[str, tuple[Matrix, bool]] = {
    "right": (around(), False),
    "1 px right, 1 px down": (around(x=1, y=1), False),
    "8 columns left (112×96 template)": (around(x=-8), True),
    "6 px down": (around(y=6), True),
    "128 template": (
        fit_similarity(TEMPLATE, list(OTHER_TEMPLATES.values())[1]),
        True,
    ),
    "FFHQ alignment": (fit_similarity(TEMPLATE, list(OTHER_TEMPLATES.values())[2]), True),
    "loose: 0.7 of the size": (around(scale=0.7), True),
    "tight: 1.25 of the size": (around(scale=1.25), True),
    "turned by 12°": (around(degrees=12), True),
    "on its side": (around(degrees=90), True),
    "upside down": (around(degrees=180), True),
    "left and right swapped": (fit_similarity(TEMPLATE[[1, 0, 2, 4, 3]], TEMPLATE), True),
}


def sources(root: Path) -> Iterator[tuple[str, list[tuple[Image, Matrix]]]]:
    """Yield a set's name, and its images with the matrices that align them."""
    table = np.load(root / "embeddings" / "att.npz")
    names = table["image"].tolist()[:: EVERY["att"]]
    photos = [decode((root / "faces" / "att" / name).read_bytes(), name) for name in names]
    points = table["landmarks"][:: EVERY["att"]]
    yield (
        "att",
        [(photo, estimate_similarity(p)) for photo, p in zip(photos, points, strict=True)],
    )
    crops = sorted((root / "faces" / "yale_b" / "crops112").glob("*.png"))[:: EVERY["yale_b"]]
    right = around()
    yield "yale_b", [(decode(crop.read_bytes(), crop.name), right) for crop in crops]


def made(images: list[tuple[Image, Matrix]], done: Matrix) -> list[Image]:
    """Crop images with `done` after their alignment, in one warp."""
    full = np.vstack([done, [0, 0, 1]])
    return [
        cv2.warpAffine(
            image,
            (full @ np.vstack([matrix, [0, 0, 1]]))[:2],
            (SIDE, SIDE),
            borderMode=cv2.BORDER_REPLICATE,
        )
        for image, matrix in images
    ]


def points_of(crops: list[Image], judge: YuNet | FivePointRegressor) -> NDArray[np.float64]:
    """Find five points (N, 5, 2) in crops."""
    if isinstance(judge, YuNet):
        turns = common_orientation(crops[::8], judge)
        return np.stack([find_points(crop, judge, turns) for crop in crops])
    return judge.locate(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)).double().numpy()


def outcome(verdict: str, wrong: bool) -> str:
    """Name what a verdict on a set is worth, where it is known whether the set is wrong."""
    if verdict == "cannot tell":
        return verdict
    if wrong:
        return "noticed" if verdict == "not aligned" else "missed"
    return "passed" if verdict == "aligned" else "false alarm"


def main() -> None:
    """Make, judge, write, and print what was wrong."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/real").expanduser()
    judges = {
        "yunet": YuNet(str(next((root / "weights" / "yunet_detector").glob("*.onnx")))),
        "five_points": FivePointRegressor.load(resource("data") / "models" / "five_points"),
    }
    lines = []
    for name, images in sources(root):
        for case, (done, wrong) in (bar := tqdm(CASES.items(), name)):
            bar.set_postfix_str(case)
            crops = made(images, done)
            center = done[:, :2] @ TEMPLATE.mean(0) + done[:, 2] - TEMPLATE.mean(0)
            known = {
                "true_x": center[0],
                "true_y": center[1],
                "true_scale": math.hypot(done[0, 0], done[1, 0]),
                "true_rotation": math.degrees(math.atan2(done[1, 0], done[0, 0])),
            }
            for judge, found_by in judges.items():
                doubt = DOUBT if judge == "five_points" else 1.0
                check = check_alignment(points_of(crops, found_by), (SIDE, SIDE), doubt=doubt)
                lines.append(
                    {"set": name, "case": case, "judge": judge, "crops": check.crops}
                    | {key: round(value, 3) + 0.0 for key, value in known.items()}
                    | {
                        "found": check.found,
                        "x": check.offset[0],
                        "y": check.offset[1],
                        "scale": check.scale,
                        "rotation": check.rotation,
                        "spread": check.rotation_spread,
                        "beyond": check.beyond,
                        "verdict": check.verdict,
                        "likely": check.likely,
                        "outcome": outcome(check.verdict, wrong),
                    }
                )
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    for line in lines:
        print(*line.values(), sep="  ")
    for judge in judges:
        counts = Counter(str(line["outcome"]) for line in lines if line["judge"] == judge)
        print(judge, dict(counts))
    print(f"output: {RESULTS}")


if __name__ == "__main__":
    main()
