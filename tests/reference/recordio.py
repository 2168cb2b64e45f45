"""MXNet RecordIO, read slowly: one byte string after another, as the format is written down."""

from __future__ import annotations

import struct


def records(data: bytes) -> list[bytes]:
    """Split a `.rec` file into the payloads of its records."""
    found: list[bytes] = []
    open_parts: list[bytes] | None = None
    while data:
        magic, word = struct.unpack("<II", data[:8])
        assert magic == 0xCED7230A
        kind, length = divmod(word, 2**29)
        payload = data[8 : 8 + length]
        assert len(payload) == length
        data = data[8 + length + (-length) % 4 :]
        if kind == 0:
            assert open_parts is None
            found.append(payload)
        elif kind == 1:
            assert open_parts is None
            open_parts = [payload]
        else:
            assert open_parts is not None
            open_parts.append(payload)
            if kind == 3:
                found.append(b"\x0a\x23\xd7\xce".join(open_parts))
                open_parts = None
    assert open_parts is None
    return found


def image_record(payload: bytes) -> tuple[list[float], int, bytes]:
    """Return the labels, the id and the image of an image record."""
    flag, label, number, _ = struct.unpack("<IfQQ", payload[:24])
    if flag == 0:
        return [label], number, payload[24:]
    return (
        list(struct.unpack(f"<{flag}f", payload[24 : 24 + 4 * flag])),
        number,
        payload[24 + 4 * flag :],
    )


def mxface_dataset(rec: bytes, idx: str) -> list[tuple[int, bytes]]:
    """Return (label, image) as arcface_torch's `MXFaceDataset` goes through a training set."""
    offsets = {int(key): int(at) for key, at in (line.split("\t") for line in idx.splitlines())}

    def read(key: int) -> tuple[list[float], int, bytes]:
        return image_record(records(rec[offsets[key] :])[0])

    header, _, image = read(0)
    keys = range(1, int(header[0])) if len(header) > 1 and not image else list(offsets)
    return [(int(labels[0]), data) for labels, _, data in map(read, keys)]
