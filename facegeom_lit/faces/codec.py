"""Encoded image bytes to pixels and back."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from facegeom_lit.errors import FaceGeomError

ImageFormat = Literal["png", "jpeg", "webp"]


def decode(data: bytes, name: str) -> NDArray[np.uint8]:
    """Decode an image file's bytes.

    Args:
        data: The bytes of a PNG, JPEG, WebP, BMP, PGM … file.
        name: What the image is called in the error message.

    Returns:
        uint8 (H, W, 3), RGB, upright as its EXIF orientation says.

    Raises:
        FaceGeomError: When the bytes are no image, are cut short, or hold more than 8 bits a
            channel (how to squeeze those into 8 is the owner's decision).
    """
    try:
        with Image.open(BytesIO(data)) as image:
            if image.mode.startswith(("I", "F")):
                raise FaceGeomError(
                    f"{name} holds more than 8 bits a pixel (mode {image.mode}); convert it to 8."
                )
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise FaceGeomError(
            f"{name} is not a readable image ({error}). Replace the file or remove it."
        ) from error


def encode(image: NDArray[np.uint8], image_format: ImageFormat, quality: int) -> bytes:
    """Encode pixels; the same pixels always give the same bytes.

    Args:
        image: uint8 (H, W, 3), RGB.
        image_format: `png` and `webp` keep every pixel value, `jpeg` does not.
        quality: JPEG quality, 1–100; the other two have none and ignore it.
    """
    buffer = BytesIO()
    picture = Image.fromarray(image)
    if image_format == "jpeg":
        picture.save(buffer, "JPEG", quality=quality, subsampling=0)
    elif image_format == "webp":
        picture.save(buffer, "WEBP", lossless=True, method=0, quality=0)
    else:
        picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
