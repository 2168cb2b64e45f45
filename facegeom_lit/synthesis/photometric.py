"""Image attributes applied to a photo, exactly and repeatably.

The only place that touches albumentations: 2.0.8 is its last MIT release, so its functional layer
stands behind this one adapter and can be replaced.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.attributes import attribute, vocabulary
from facegeom_lit.errors import FaceGeomError

Pixels = NDArray[np.uint8]
Unit = NDArray[np.float32]  # (H, W, 3), 0–1


def apply(name: str, image: Pixels, value: float, seed: int) -> Pixels:
    """Give `image` the image attribute `name` at `value`.

    Args:
        name: brightness, contrast, hue, saturation, blur, noise, jpeg or low_resolution.
        image: uint8 (H, W, 3), RGB; it is not changed.
        value: In the attribute's unit; at the attribute's default the image itself is returned.
        seed: Of the noise; the others need none. One seed gives one pattern at every strength.

    Returns:
        uint8 (H, W, 3).

    Raises:
        FaceGeomError: When the attribute is not made on images, or the value is out of range.

    Example:
        >>> import numpy as np
        >>> grey = np.full((2, 2, 3), 100, np.uint8)
        >>> apply("brightness", grey, 0.2, seed=0)[0, 0].tolist()
        [151, 151, 151]
    """
    spec = attribute(name)
    if name not in _OPERATORS:
        raise FaceGeomError(f"{name!r} is no image attribute. Those are: {', '.join(_OPERATORS)}.")
    if spec.check(value) == spec.default:
        return image
    return _OPERATORS[name](image, value, seed)


def apply_all(image: Pixels, values: dict[str, float], seed: int) -> Pixels:
    """Apply every image attribute that `values` names, one after the other in a fixed order."""
    for name in _OPERATORS:
        if name in values:
            image = apply(name, image, values[name], seed)
    return image


@cache
def _pixel() -> Any:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # or it asks a package registry at import
    from albumentations.augmentations.pixel import functional

    return functional


def _unit(image: Pixels) -> Unit:
    return image.astype(np.float32) / np.float32(255)


def _bytes(image: NDArray[Any]) -> Pixels:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _brightness(image: Pixels, value: float, seed: int) -> Pixels:
    return _bytes(_pixel().multiply_add(_unit(image), 1.0, value))


def _contrast(image: Pixels, value: float, seed: int) -> Pixels:
    gain = 2.0**value
    return _bytes(_pixel().multiply_add(_unit(image), gain, 0.5 * (1 - gain)))


def _hue(image: Pixels, value: float, seed: int) -> Pixels:
    return _bytes(_pixel().adjust_hue_torchvision(_unit(image), value / 360))


def _saturation(image: Pixels, value: float, seed: int) -> Pixels:
    return _bytes(_pixel().adjust_saturation_torchvision(_unit(image), 2.0**value))


def _blur(image: Pixels, value: float, seed: int) -> Pixels:
    import cv2

    # albumentations cuts its kernel at 3.5 sigma in whole pixels: below 0.29 it blurs nothing
    return _bytes(cv2.GaussianBlur(_unit(image), (0, 0), value, borderType=cv2.BORDER_REFLECT_101))


def _noise(image: Pixels, value: float, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).standard_normal(image.shape, dtype=np.float32)
    return _bytes(_pixel().add_noise(_unit(image), value * noise))


def _jpeg(image: Pixels, value: float, seed: int) -> Pixels:
    quality = round(100 - 95 * value)
    # albumentations hands the channels over as they are, OpenCV takes them for BGR
    bgr = np.ascontiguousarray(image[..., ::-1])
    return np.ascontiguousarray(_pixel().image_compression(bgr, quality, ".jpg")[..., ::-1])


def _low_resolution(image: Pixels, value: float, seed: int) -> Pixels:
    import cv2

    return _pixel().downscale(image, 2.0**-value, cv2.INTER_AREA, cv2.INTER_LINEAR)


_OPERATORS: dict[str, Callable[[Pixels, float, int], Pixels]] = {
    # the order of a camera: light, colour, optics, sensor, file
    "brightness": _brightness,
    "contrast": _contrast,
    "hue": _hue,
    "saturation": _saturation,
    "blur": _blur,
    "low_resolution": _low_resolution,
    "noise": _noise,
    "jpeg": _jpeg,
}
assert set(_OPERATORS) == {name for name, spec in vocabulary().items() if spec.kind == "image"}
