"""Is a set of crops aligned to the ArcFace template? Measured from five points found in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.crop import TEMPLATE, fit_similarity
from facegeom_lit.faces.detectors.detection import Detection, Detector

Floats = NDArray[np.float64]
Verdict = Literal["aligned", "not aligned", "cannot tell"]

_SHIFT = np.array([8.0, 0.0])

#: Where other tools put the five points, in pixels of a crop scaled to 112 (5, 2).
OTHER_TEMPLATES: Mapping[str, Floats] = {
    "the 112×96 template (8 columns further left) in a crop of 112×112": TEMPLATE - _SHIFT,
    "InsightFace's template for 128×128 (norm_crop(…, image_size=128))": (TEMPLATE + _SHIFT)
    * (112 / 128),
    "the FFHQ alignment (facexlib, GFPGAN, StyleGAN)": np.array(
        [
            (192.98138, 239.94708),
            (318.90277, 240.1936),
            (256.63416, 314.01935),
            (201.26117, 371.41043),
            (313.08905, 371.15118),
        ]
    )
    * (112 / 512),
}
_DETECTION_SIDES = (168, 336)  # pixels to which a crop is scaled for a detector
_SWAPPED_SCALE = 0.4  # what a similarity with left and right swapped makes of a face: a small one
_UPRIGHT_SPREAD = 6.0  # degrees; people hold their heads that differently
_FEWEST = 0.5  # share of crops in which a face must be found


@dataclass(frozen=True)
class Tolerance:
    """What counts as aligned, in pixels of a crop of 112.

    The errors of finding points stay below it: sets of people differ in their mean face, detectors
    in what they call a mouth corner.

    Args:
        offset: Largest distance of the points' centre from the template's.
        scale: Largest difference in size, as a fraction.
        rotation: Largest rotation, in degrees.
        spread: Largest difference between the rotations of the crops, in degrees (1.48 × the median
            absolute deviation).
        crop: Largest distance (root mean square over the points) by which one crop's face is off.
        share: Largest share of such crops.
    """

    offset: float = 3.5
    scale: float = 0.08
    rotation: float = 4.0
    spread: float = 6.0
    crop: float = 8.0
    share: float = 0.3

    def __post_init__(self) -> None:
        for name in self.__match_args__:
            if not getattr(self, name) > 0:
                raise FaceGeomError(
                    f"tolerance.{name} must be positive, got {getattr(self, name)}."
                )

    def times(self, factor: float) -> Tolerance:
        """Return the tolerance that admits `factor` times as much."""
        return Tolerance(*(factor * getattr(self, name) for name in self.__match_args__))


@dataclass(frozen=True)
class AlignmentCheck:
    """How a set of crops lies on the template; lengths in pixels of a crop of 112.

    Attributes:
        crops: Number of crops looked at.
        found: Number of those in which a face was found.
        offset: (2,), the points' centre minus the template's: x to the right, y down.
        scale: Size of the faces over that of the template.
        rotation: Of the faces, in degrees, clockwise.
        rotation_spread: How much the crops differ in it: 1.48 × the median absolute deviation.
        point_rms: (5,), distance of each point from the template, root mean square over the crops.
        beyond: Share of the found crops that are off by more than the tolerance.
        outliers: Positions of those crops, the farthest off first.
        verdict: `aligned`, `not aligned`, or `cannot tell`.
        reasons: Why, in plain sentences.
        likely: What the crops were probably aligned to instead; empty when nothing known fits.
    """

    crops: int
    found: int
    offset: tuple[float, float]
    scale: float
    rotation: float
    rotation_spread: float
    point_rms: tuple[float, ...]
    beyond: float
    outliers: tuple[int, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    likely: str

    def to_json(self) -> dict[str, Any]:
        """Return the figures for a JSON file."""
        return {name: getattr(self, name) for name in self.__match_args__}


def check_alignment(
    points: Floats,
    shape: tuple[int, int],
    tolerance: Tolerance | None = None,
    doubt: float = 1.0,
) -> AlignmentCheck:
    """Compare the points found in crops with the template.

    A mirror image of an aligned crop is aligned: that fault is not seen.

    Args:
        points: (N, 5, 2) in pixels of the crops; NaN where no face was found.
        shape: Height and width of the crops.
        tolerance: What counts as aligned.
        doubt: How far one trusts whoever found the points: a set that is off by no more than so
            many tolerances is not called misaligned; the verdict is `cannot tell`.

    Raises:
        FaceGeomError: When there are no crops, or `doubt` is below 1.

    Example:
        >>> check_alignment(np.stack([TEMPLATE + 0.5] * 3), (112, 112)).verdict
        'aligned'
    """
    if not len(points):
        raise FaceGeomError("There are no crops to check.")
    if not doubt >= 1:
        raise FaceGeomError(f"doubt must be at least 1, got {doubt}.")
    tolerance = tolerance or Tolerance()
    seen = np.isfinite(points).all((1, 2))
    found = points[seen]
    if len(found) < _FEWEST * len(points):
        why = (
            f"The points of a face were found in {len(found)} of {len(points)} crops only: they "
            "are turned, cut otherwise, hardly lit, or no faces."
        )
        nan = float("nan")
        return AlignmentCheck(
            len(points), len(found), (nan, nan), nan, nan, nan, (nan,) * 5, nan, (), "cannot tell",
            (why,), "",
        )  # fmt: skip
    side = max(shape)
    five = (found + 0.5) * (112 / side) - 0.5
    middle = np.median(five, 0)
    _, scale, rotation = _similarity(middle)
    each = [_similarity(crop) for crop in five]
    away = np.array([_displacement(matrix) for matrix, _, _ in each])
    turned = np.array([(angle - rotation + 180) % 360 - 180 for _, _, angle in each])
    spread = 1.4826 * float(np.median(np.abs(turned - np.median(turned))))
    offset = middle.mean(0) - TEMPLATE.mean(0)
    beyond = float((away > tolerance.crop).mean())
    farthest = np.argsort(-away, kind="stable")[: int((away > tolerance.crop).sum())]
    measured = (shape, offset, scale, rotation, spread, beyond)
    reasons = _reasons(*measured, tolerance)
    verdict: Verdict = "aligned"
    if reasons:
        certain = _reasons(*measured, tolerance.times(doubt))
        verdict = "not aligned" if certain else "cannot tell"
    return AlignmentCheck(
        crops=len(points),
        found=len(found),
        offset=(round(float(offset[0]), 2), round(float(offset[1]), 2)),
        scale=round(scale, 4),
        rotation=round(rotation, 2),
        rotation_spread=round(spread, 2),
        point_rms=tuple(np.sqrt(((five - TEMPLATE) ** 2).sum(2).mean(0)).round(2).tolist()),
        beyond=round(beyond, 4),
        outliers=tuple(np.flatnonzero(seen)[farthest].tolist()),
        verdict=verdict,
        reasons=tuple(reasons),
        likely=_likely(middle, shape, scale, rotation, spread) if reasons else "",
    )


def _similarity(points: Floats) -> tuple[Floats, float, float]:
    """Fit the template to points (5, 2): matrix, scale, rotation in degrees clockwise."""
    matrix = fit_similarity(TEMPLATE, points)
    a, b = matrix[0, 0], matrix[1, 0]
    return matrix, float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)))


def _displacement(matrix: Floats) -> float:
    """Root mean square distance by which a similarity moves the template."""
    moved = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    return float(np.sqrt(((moved - TEMPLATE) ** 2).sum(1).mean()))


def _reasons(
    shape: tuple[int, int],
    offset: Floats,
    scale: float,
    rotation: float,
    spread: float,
    beyond: float,
    tolerance: Tolerance,
) -> list[str]:
    reasons = []
    if shape[0] != shape[1]:
        reasons.append(f"The crops are {shape[1]} wide and {shape[0]} high, not square.")
    if np.hypot(*offset) > tolerance.offset:
        reasons.append(
            f"The faces stand {abs(offset[0]):.1f} px too far "
            f"{'right' if offset[0] > 0 else 'left'} and {abs(offset[1]):.1f} px too "
            f"{'low' if offset[1] > 0 else 'high'}."
        )
    if abs(scale - 1) > tolerance.scale:
        kind = "large" if scale > 1 else "small"
        reasons.append(f"The faces are {100 * abs(scale - 1):.0f} % too {kind}.")
    if abs(rotation) > tolerance.rotation:
        way = "clockwise" if rotation > 0 else "counter-clockwise"
        reasons.append(f"The faces are turned by {abs(rotation):.0f}° {way}.")
    if spread > tolerance.spread:
        reasons.append(f"The faces are not upright: their rotations differ by {spread:.0f}°.")
    if beyond > tolerance.share:
        reasons.append(
            f"{100 * beyond:.0f} % of the crops are off by more than {tolerance.crop:g} px."
        )
    return reasons


def _likely(
    middle: Floats, shape: tuple[int, int], scale: float, rotation: float, spread: float
) -> str:
    if shape == (112, 96):
        return "crops of the 112×96 template (SphereFace, CosFace), 16 columns narrower"
    if shape == (218, 178):
        return "CelebA's own alignment (img_align_celeba)"
    if abs(rotation) > 150:
        return "upside-down images"
    if abs(abs(rotation) - 90) < 30:
        return "images that lie on their side (EXIF orientation not applied?)"
    if scale < _SWAPPED_SCALE:
        return "landmarks with left and right swapped, or whole photos that were not cropped"
    away = {
        name: float(np.sqrt(((middle - other) ** 2).sum(1).mean()))
        for name, other in OTHER_TEMPLATES.items()
    }
    nearest = min(away, key=lambda name: away[name])
    own = float(np.sqrt(((middle - TEMPLATE) ** 2).sum(1).mean()))
    if away[nearest] < min(4.0, 0.7 * own):
        return nearest
    if spread > _UPRIGHT_SPREAD or scale < 0.9:
        return "a detector's box with a margin, not rotated (MTCNN crops of facenet, for example)"
    return ""


def common_orientation(images: Sequence[NDArray[np.uint8]], detector: Detector) -> int:
    """Return the number of quarter turns (`np.rot90`) after which most faces are found.

    Decided for a set at once: in a single hard image a detector also sees faces that lie down.
    """
    confidence = [
        sum(
            face.score
            for image in images
            for face in _detected(np.rot90(image, turns), detector, _DETECTION_SIDES[:1])
        )
        for turns in range(4)
    ]
    return int(np.argmax(confidence))


def find_points(image: NDArray[np.uint8], detector: Detector, turns: int = 0) -> Floats:
    """Find the five points of the face in a crop.

    Detectors miss faces that fill the picture, and their errors depend on the face's size and
    place: the crop is framed with black, looked at in several sizes, and the median is taken.

    Args:
        image: uint8 (H, W, 3), RGB.
        detector: Looks at pixels; a table of landmarks will not do.
        turns: Quarter turns that put the faces upright, from `common_orientation`.

    Returns:
        (5, 2) in pixels of the crop as it is; NaN when no face is found.
    """
    turned = np.rot90(image, turns)
    found = [face.landmarks for face in _detected(turned, detector)]
    if not found:
        return np.full((5, 2), np.nan)
    return turned_back(np.median(found, 0), turns, turned.shape[:2])


def _detected(
    image: NDArray[np.uint8], detector: Detector, sides: Sequence[int] = _DETECTION_SIDES
) -> list[Detection]:
    """Return the most confident face at each size, in pixels of the image."""
    faces = []
    for side in sides:
        scale = side / max(image.shape[:2])
        size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        large: Any = cv2.resize(np.ascontiguousarray(image), size, interpolation=method)
        ratio = np.array(image.shape[1::-1]) / size
        border = side // 2
        framed = np.pad(large, [(border, border), (border, border), (0, 0)])
        for face in detector.detect(framed)[:1]:
            corners = (face.box.reshape(2, 2) - border) * ratio
            points = (face.landmarks - border + 0.5) * ratio - 0.5
            faces.append(Detection(corners.ravel(), face.score, points))
    return faces


def turned_back(points: Floats, turns: int, shape: Sequence[int]) -> Floats:
    """Undo `np.rot90(image, turns)` for points (x, y) found in an image of (height, width).

    Example:
        >>> turned_back(np.array([[0.0, 3.0]]), 1, (4, 2)).tolist()
        [[0.0, 0.0]]
    """
    height, width = shape
    for _ in range(turns):
        points = np.stack([height - 1 - points[:, 1], points[:, 0]], 1)
        height, width = width, height
    return points
