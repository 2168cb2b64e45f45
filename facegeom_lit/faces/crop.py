"""Five-point alignment: a photo and the landmarks of a face → the crop that face models expect."""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from facegeom_lit.errors import FaceGeomError

Border = Literal["constant", "replicate"]
Floats = NDArray[np.float64]

#: ArcFace's five points in a 112×112 crop (x, y; y down): the eye on the viewer's left, the one on
#: the right, nose tip, the mouth corner on the left, the one on the right (5, 2).
TEMPLATE: Floats = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
_BORDERS = {"constant": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}


def template(size: int = 112) -> Floats:
    """Return the five points (5, 2) in a crop of `size`×`size` pixels.

    Multiples of 112 scale the template; multiples of 128 have 8/128 more of the picture at each
    side and as much more at the bottom.

    Raises:
        FaceGeomError: For another size.

    Source:
        `insightface.utils.face_align.estimate_norm`.

    Example:
        >>> template(128)[0].tolist() == [38.2946 + 8, 51.6963]
        True
    """
    if size > 0 and size % 112 == 0:
        return TEMPLATE * (size / 112)
    if size > 0 and size % 128 == 0:
        return (TEMPLATE + np.array([8.0, 0.0])) * (size / 128)
    raise FaceGeomError(f"size must be a multiple of 112 or 128, got {size}.")


def fit_similarity(source: ArrayLike, target: ArrayLike) -> Floats:
    """Fit the similarity (no reflection) that takes `source` to `target` with least squares.

    In the plane Umeyama's estimate is one complex factor and one complex shift.

    Args:
        source: Points (N, 2), N ≥ 2.
        target: As many points (N, 2).

    Returns:
        (2, 3): `target ≈ source @ matrix[:, :2].T + matrix[:, 2]`.

    Raises:
        FaceGeomError: When the points are not finite, or all source points coincide.

    Source:
        Umeyama, Least-squares estimation of transformation parameters between two point patterns,
        PAMI 1991.

    Example:
        >>> fit_similarity([(0, 0), (1, 0)], [(1, 1), (1, 3)]).round(9).tolist()
        [[0.0, -2.0, 1.0], [2.0, 0.0, 1.0]]
    """
    p, q = _complex(source), _complex(target)
    if p.shape != q.shape or p.ndim != 1 or len(p) < 2:
        raise FaceGeomError(
            f"A similarity needs two lists of N ≥ 2 points (N, 2), got shapes {np.shape(source)} "
            f"and {np.shape(target)}."
        )
    if not (np.isfinite(p).all() and np.isfinite(q).all()):
        raise FaceGeomError("The landmarks are not finite numbers.")
    centred = p - p.mean()
    spread = np.vdot(centred, centred).real
    if not spread > 1e-12 * (1 + abs(p.mean()) ** 2):
        raise FaceGeomError("All landmarks are at the same place.")
    factor = np.vdot(centred, q - q.mean()) / spread
    shift = q.mean() - factor * p.mean()
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def estimate_similarity(landmarks: ArrayLike, size: int = 112) -> Floats:
    """Return the (2, 3) similarity from a photo's five landmarks (5, 2) to the crop's template.

    Raises:
        FaceGeomError: When there are not five finite, different points, or for another size.

    Example:
        >>> (estimate_similarity(TEMPLATE * 2 + 10).round(6) + 0.0).tolist()
        [[0.5, 0.0, -5.0], [0.0, 0.5, -5.0]]
    """
    if np.shape(landmarks) != (5, 2):
        raise FaceGeomError(f"Expected five landmarks (5, 2), got shape {np.shape(landmarks)}.")
    return fit_similarity(landmarks, template(size))


def align(
    image: NDArray[np.uint8], landmarks: ArrayLike, size: int = 112, border: Border = "constant"
) -> NDArray[np.uint8]:
    """Cut the aligned crop of a face out of a photo.

    Bilinear, without smoothing first, and black beyond the photo's edge, as InsightFace's
    `norm_crop`: published face models were evaluated with such crops. A face far larger than the
    crop is sampled coarsely by that; the models have seen it so.

    Args:
        image: uint8 (H, W, 3), RGB or BGR.
        landmarks: (5, 2), in the order of `TEMPLATE`.
        size: A multiple of 112 or of 128.
        border: What stands beyond the edge: `constant` (black), or `replicate` (the edge, drawn
            out), which suits photos cut close to the face.

    Returns:
        uint8 (size, size, 3), in the colour order of `image`.

    Raises:
        FaceGeomError: When an argument is none of these.
    """
    if border not in _BORDERS:
        raise FaceGeomError(f"border must be one of {', '.join(get_args(Border))}, got {border!r}.")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise FaceGeomError(
            f"A photo must be uint8 (H, W, 3), got {image.dtype} {tuple(image.shape)}."
        )
    matrix = estimate_similarity(landmarks, size)
    crop = cv2.warpAffine(image, matrix, (size, size), borderMode=_BORDERS[border], borderValue=0.0)
    return crop.astype(np.uint8, copy=False)


def mirrored_order(landmarks: ArrayLike) -> bool:
    """Tell whether left and right are swapped in five landmarks (5, 2), however they are rotated.

    Swapped eyes turn the fitted similarity upside down. Seen from the side the eyes nearly meet,
    and nothing is said.

    Example:
        >>> mirrored_order(TEMPLATE), mirrored_order(TEMPLATE[[1, 0, 2, 4, 3]])
        (False, True)
    """
    points = np.asarray(landmarks, dtype=np.float64)
    across = points[1] - points[0] + points[4] - points[3]
    down = points[3] + points[4] - points[0] - points[1]
    return bool(across[0] * down[1] - across[1] * down[0] < -0.1 * (down @ down))


def _complex(points: ArrayLike) -> NDArray[np.complex128]:
    xy = np.asarray(points, dtype=np.float64)
    return xy[..., 0] + 1j * xy[..., 1] if xy.shape[-1:] == (2,) else np.zeros(0, np.complex128)
