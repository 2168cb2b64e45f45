"""Encoded image bytes to pixels and back."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from facegeom_lit.errors import FaceGeomError

ImageFormat = Literal["png", "jpeg", "webp"]

# Pillow's decoders are imported here and not at the first image: until Python 3.12 a Ctrl-C in the
# middle of a class statement becomes another error, and the image would be called broken.
_LATE_PLUGINS = (TiffImagePlugin, WebPImagePlugin)
Image.preinit()

_START_OF_JPEG = b"\xff\xd8\xff"
_START_OF_SCAN = b"\xff\xda\x00"
_APP1 = b"\xff\xe1"  # holds EXIF or XMP, and they the orientation
_THREE_COLORS = frozenset({"Gray", "RGB", "YCbCr"})  # others are converted by Pillow alone
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "PPM", "TIFF", "GIF")  # a program runs PostScript
_MOST_PIXELS = 2**26  # of the fast decoder, which would fill the memory for a forged size


def decode(data: bytes, name: str | Callable[[], str]) -> NDArray[np.uint8]:
    """Decode an image file's bytes.

    Args:
        data: The bytes of a PNG, JPEG, WebP, BMP, PGM … file.
        name: What the image is called in the error message, or what tells it.

    Returns:
        uint8 (H, W, 3), RGB, upright as its EXIF orientation says. The pixels are Pillow's: both
        decoders of JPEG stand on libjpeg-turbo.

    Raises:
        FaceGeomError: When the bytes are no image, are cut short, or hold more than 8 bits a
            channel (how to squeeze those into 8 is the owner's decision).
    """
    try:
        if _is_upright_jpeg(data):
            height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
            if colors in _THREE_COLORS and height * width <= _MOST_PIXELS:
                return simplejpeg.decode_jpeg(data, "RGB")
        return _decode_any(data, name)
    except FaceGeomError:
        raise
    except Exception as error:  # a damaged image fails in many ways
        raise FaceGeomError(
            f"{_text(name)} is not a readable image ({_reason(error)}). Replace the file or "
            "remove it."
        ) from error


def _is_upright_jpeg(data: bytes) -> bool:
    """Return whether it is a JPEG without a place for an orientation, from its first bytes."""
    scan = data.find(_START_OF_SCAN)
    return data.startswith(_START_OF_JPEG) and scan > 0 and data.find(_APP1, 0, scan) < 0


def _decode_any(data: bytes, name: str | Callable[[], str]) -> NDArray[np.uint8]:
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        if image.mode.startswith(("I", "F")):
            raise FaceGeomError(
                f"{_text(name)} holds more than 8 bits a pixel (mode {image.mode}); convert it "
                "to 8."
            )
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def _reason(error: Exception) -> str:
    # Pillow names the buffer by its address.
    unknown = isinstance(error, UnidentifiedImageError)
    return f"none of {', '.join(_FORMATS)}" if unknown else str(error) or type(error).__name__


def _text(name: str | Callable[[], str]) -> str:
    return name if isinstance(name, str) else name()


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


def portable(data: bytes, pixels: NDArray[np.uint8]) -> tuple[bytes, str]:
    """Return bytes that every reader of JPEG and PNG turns into the same pixels.

    Args:
        data: An image file's bytes.
        pixels: What `decode` made of them.

    Returns:
        `data` itself where it is a JPEG or a PNG without an orientation, else a PNG; and the
        suffix of its file, `.jpg` or `.png`.
    """
    if _is_upright_jpeg(data):
        return data, ".jpg"
    if data.startswith(b"\x89PNG") and b"eXIf" not in data and b"XML:com.adobe.xmp" not in data:
        return data, ".png"
    return encode(pixels, "png", 100), ".png"
