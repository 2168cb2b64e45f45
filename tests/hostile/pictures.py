"""Image files: bombs, forged sizes, other formats under an image's name, traps in EXIF."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from faces.pictures import picture
from hostile.cases import Build, Source, add
from hostile.pickles import touch

from facegeom_lit.faces.codec import encode

JPEG = encode(picture(0), "jpeg", 95)
PNG = encode(picture(0), "png", 95)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *before: bytes, data: bytes = b"", depth: int = 8) -> bytes:
    """A PNG file with any header."""
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *before, chunk(b"IDAT", zlib.compress(data, 9))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def jpeg_sized(height: int, width: int) -> bytes:
    """The JPEG file with another size in its frame header."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", height, width) + JPEG[at + 4 :]


def exif(block: bytes) -> bytes:
    """The JPEG file with an EXIF block."""
    data = b"Exif\0\0" + block
    return JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data + JPEG[2:]


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def tiff(*entries: bytes, following: int = 0, first: int = 8) -> bytes:
    """The header of a TIFF file and its first directory."""
    head = b"II*\0" + struct.pack("<IH", first, len(entries))
    return head + b"".join(entries) + struct.pack("<I", following)


ORIENTATION = 0x112
PICTURES: dict[str, bytes] = {
    "jpeg of 4 billion pixels": jpeg_sized(65500, 65500),
    "jpeg of 60 million pixels": jpeg_sized(8000, 7500),
    "jpeg of no pixels": jpeg_sized(0, 0),
    "jpeg without data": JPEG[: JPEG.index(b"\xff\xda") + 14],
    "jpeg of frames": JPEG[:2] + JPEG[JPEG.index(b"\xff\xc0") : JPEG.index(b"\xff\xda")] * 200,
    "png of 4 billion pixels": png(65535, 65535, data=bytes(1000)),
    "png of 2^31 - 1 squared": png(2**31 - 1, 2**31 - 1),
    "png that unpacks to 300 MB": png(10_000, 10_000, data=bytes(300_010_000)),
    "png with a text that unpacks to 100 MB": png(
        112, 112, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100_000_000), 9))
    ),
    "png with a colour profile of 100 MB": png(
        112, 112, chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000), 9))
    ),
    "png of no depth": png(112, 112, depth=0),
    "png with a long chunk": PNG[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT" + PNG[41:],
    "exif of nothing": exif(b"II*\0"),
    "exif in a circle": exif(tiff(entry(0x8769, 4, 1, 8), following=8)),
    "exif with a huge count": exif(tiff(entry(ORIENTATION, 3, 2**32 - 1, 8))),
    "exif with a rational orientation": exif(tiff(entry(ORIENTATION, 5, 1, 26)) + bytes(8)),
    "exif with a text orientation": exif(tiff(entry(ORIENTATION, 2, 4, 0x41414141))),
    "exif with orientation 200": exif(tiff(entry(ORIENTATION, 3, 1, 200))),
    "tiff in a circle": tiff(entry(256, 4, 1, 112), following=8),
    "tiff of billions": tiff(
        entry(256, 4, 1, 2**31), entry(257, 4, 1, 2**31), entry(258, 3, 1, 8), entry(262, 3, 1, 1)
    ),
    "tiff with tags of words": tiff(entry(256, 2, 4, 0x41414141), entry(257, 2, 4, 0x41414141)),
    "bmp of billions": b"BM"
    + struct.pack("<IHHIIiiHHIIIIII", *(0, 0, 0, 54, 40), 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
    "pgm of billions": b"P5 2147483647 2147483647 255\n" + bytes(100),
    "pgm of digits": b"P5 " + b"9" * 100_000 + b" 1 255\n",
    "webp cut": b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0" + bytes(10),
    "gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
    "png cut": PNG[: len(PNG) // 2],
    "jpeg cut": JPEG[: len(JPEG) // 2],
    "png of 16 bits": png(112, 112, data=bytes(112 * (6 * 112 + 1)), depth=16),
    "no image": b"no image",
}
HARMLESS = {
    *("exif of nothing", "exif in a circle", "exif with a huge count"),
    *("exif with a rational orientation", "exif with a text orientation"),
    *("exif with orientation 200", "png with a colour profile of 100 MB"),
    *("png of 16 bits", "png with a long chunk"),
}
"""What a reader may leave alone: the picture itself is whole."""


def postscript(folder: Path) -> bytes:
    """A PostScript program, which Pillow hands to Ghostscript."""
    return (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 112 112\n%%EndComments\n"
        + f"(%pipe%{touch(folder)}) (w) file closefile showpage\n".encode()
        + b"%%EOF\n"
    )


def identity_folder(make: Callable[[Path], object]) -> Build:
    """An identity folder with a good image and a bad one."""

    def build(folder: Path) -> Source:
        person = folder / "faces" / "ada"
        person.mkdir(parents=True)
        (person / "good.png").write_bytes(PNG)
        make(person / "bad.png")
        return folder / "faces"

    return build


def holding(data: bytes) -> Build:
    return identity_folder(lambda path: path.write_bytes(data))


for title, data in PICTURES.items():
    add(f"image, {title}", "faces", holding(data), "bad.png", harmless=title in HARMLESS)
add(
    "image, PostScript",
    "faces",
    identity_folder(lambda path: path.write_bytes(postscript(path.parents[2]))),
    "bad.png",
)
for title, make in {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path),
    "folder": Path.mkdir,
}.items():
    add(f"image, {title}", "faces", identity_folder(make), harmless=True)
