from __future__ import annotations

import struct
import time
from io import BytesIO

import cv2
import numpy as np
import pytest
from faces.pictures import picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode, encode, portable


def face_like(seed: int, height: int = 112, width: int = 112) -> np.ndarray:
    """A smooth picture: noise hides differences of chroma upsampling."""
    smooth = cv2.GaussianBlur(picture(seed, 128)[:height, :width], (0, 0), 3).astype(float)
    return np.clip((smooth - 128) * 4 + 128, 0, 255).astype(np.uint8)


def saved(image: np.ndarray, kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def by_pillow(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


@given(
    st.integers(0, 99),
    st.sampled_from([(112, 112), (111, 97), (1, 1), (16, 3), (97, 128)]),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([50, 95, 100]),
    st.booleans(),
)
def test_jpeg_pixels_are_pillows(
    seed: int, size: tuple[int, int], subsampling: int, quality: int, progressive: bool
) -> None:
    data = saved(
        face_like(seed, *size),
        "JPEG",
        subsampling=subsampling,
        quality=quality,
        progressive=progressive,
    )
    np.testing.assert_array_equal(decode(data, "x"), by_pillow(data))


@pytest.mark.parametrize("mode", ["L", "CMYK", "YCbCr"])
def test_other_colors_are_pillows(mode: str) -> None:
    data = saved(face_like(1), "JPEG", mode)
    np.testing.assert_array_equal(decode(data, "x"), by_pillow(data))
    rgb = saved(face_like(1), "JPEG", keep_rgb=True)
    np.testing.assert_array_equal(decode(rgb, "x"), by_pillow(rgb))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(face_like(2, 112, 80), "JPEG", exif=exif.tobytes())
    pixels = decode(data, "x")
    np.testing.assert_array_equal(pixels, by_pillow(data))
    assert pixels.shape == ((112, 80, 3) if orientation < 5 else (80, 112, 3))
    stored, suffix = portable(data, pixels)  # others would show it lying
    assert suffix == ".png"
    np.testing.assert_array_equal(by_pillow(stored), pixels)


def test_orientation_in_xmp() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
    data = saved(face_like(3, 112, 80), "JPEG", xmp=xmp)
    assert decode(data, "x").shape == (80, 112, 3)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "PPM", "TIFF", "GIF"])
def test_other_formats_are_pillows(kind: str) -> None:
    data = saved(face_like(4), kind)
    pixels = decode(data, "x")
    np.testing.assert_array_equal(pixels, by_pillow(data))
    stored, suffix = portable(data, pixels)
    assert suffix == ".png"
    assert (stored is data) == (kind == "PNG")
    np.testing.assert_array_equal(
        cv2.imdecode(np.frombuffer(stored, np.uint8), 1)[..., ::-1], pixels
    )


def test_jpeg_and_png_are_portable() -> None:
    for kind, suffix in (("jpeg", ".jpg"), ("png", ".png")):
        data = encode(face_like(5), kind, 95)  # type: ignore[arg-type]
        assert portable(data, decode(data, "x")) == (data, suffix)


JPEG = encode(face_like(6), "jpeg", 95)


def with_size(height: int, width: int) -> bytes:
    """The JPEG with another size in its header."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", height, width) + JPEG[at + 4 :]


@pytest.mark.parametrize(
    "data",
    [
        *(JPEG[:-cut] for cut in (1, 2, 3, 10, 100, 3000)),
        JPEG[:-500] + b"\xff\xd9",  # an end marker, but the last rows are missing
        JPEG[:20],
        b"\xff\xd8\xff",
        b"",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        encode(face_like(6), "png", 95)[:-4000],
        b"PK\3\4" + bytes(100),
        with_size(65000, 65000),
        with_size(0, 112),
    ],
)
def test_broken_files_are_refused(data: bytes) -> None:
    started = time.perf_counter()
    with pytest.raises(
        FaceGeomError, match=r"^broken is not a readable image \(.*Replace the file"
    ):
        decode(data, lambda: "broken")
    assert time.perf_counter() - started < 2


def test_more_than_eight_bits() -> None:
    with pytest.raises(FaceGeomError, match=r"deep holds more than 8 bits a pixel \(mode I"):
        decode(b"P5 2 2 65535\n" + bytes(8), "deep")
