"""`.safetensors`: tensors after a JSON header; its metadata are the facts.

Source: the format's description in the README of huggingface/safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.array_block import ArrayBlock
from facegeom_lit.galleries.gallery import MODEL, Gallery, Layout, Rows
from facegeom_lit.galleries.matrix import matrix_name
from facegeom_lit.galleries.output import Output

METADATA = "__metadata__"
NAMES = ".names"
"""Text is kept as numbers of the tensor NAME and, in NAME.names, the bytes of a JSON list."""
_LONGEST_HEADER = 100_000_000
_BLOCK = 1 << 20
TYPES = {
    "BOOL": "bool",
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
}
"""Types of the format → of NumPy; others are carried over, but not read."""
CODES = {numpy: code for code, numpy in TYPES.items()}


@dataclass(frozen=True)
class Tensor:
    """Where a tensor stands.

    Attributes:
        code: Its type in the format's words.
        shape: Its shape.
        start: First byte after the header.
        stop: One past the last.
    """

    code: str
    shape: tuple[int, ...]
    start: int
    stop: int


class SafetensorsGallery(Gallery):
    """A matrix of a `.safetensors` file."""

    format = "safetensors"

    def __init__(self, path: Path, key: str | None = None) -> None:
        self._tensors, facts, self._data = read_header(path)
        arrays = {n: (t.shape, TYPES.get(t.code, t.code)) for n, t in self._tensors.items()}
        name = matrix_name(path, arrays, key)
        found = self._tensors[name]
        dtype = np.dtype(TYPES[found.code])
        count, dimension = found.shape
        self._block = ArrayBlock(
            path, self._data + found.start, (count, dimension), dtype.newbyteorder("<")
        )
        model = facts.pop(MODEL, None)
        super().__init__(path, name, Layout(count, dimension, dtype, model, facts))

    def column_names(self) -> tuple[str, ...]:
        """Names of the other tensors, but for those that hold the words of another."""
        words = {name + NAMES for name in self._tensors}
        return tuple(name for name in self._tensors if name != self.key and name not in words)

    def column(self, name: str) -> NDArray[Any]:
        """Read another tensor whole, or the text that two of them stand for."""
        numbers = self._array(name)
        if name + NAMES not in self._tensors:
            return numbers
        try:
            words = np.asarray(json.loads(self._array(name + NAMES).tobytes()), dtype=str)
            return words[numbers]
        except (ValueError, IndexError, RecursionError) as error:
            raise FaceGeomError(
                f"{self.path}: {name + NAMES!r} is not the list of words of {name!r} ({error}). "
                "Copy the file again."
            ) from error

    def _array(self, name: str) -> NDArray[Any]:
        tensor = self._tensors[name]
        if tensor.code not in TYPES:
            raise FaceGeomError(f"{self.path}: {name!r} has the type {tensor.code}, not read here.")
        dtype = np.dtype(TYPES[tensor.code]).newbyteorder("<")
        data = b"".join(self._blocks(tensor))
        return np.frombuffer(data, dtype).reshape(tensor.shape)

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        return self._block.read(start, stop)

    def rewrite(self, output: Output, layout: Layout, rows: Rows) -> None:
        """Write the file with another matrix, and the other tensors byte for byte."""
        others = {
            name: (tensor.code, tensor.shape, self._blocks(tensor))
            for name, tensor in self._tensors.items()
            if name != self.key
        }
        write(output, layout, self.key, rows, others)

    def _blocks(self, tensor: Tensor) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self._data + tensor.start)
            left = tensor.stop - tensor.start
            while left:
                if not (block := file.read(min(left, _BLOCK))):
                    raise FaceGeomError(f"{self.path} became shorter while it was read.")
                left -= len(block)
                yield block


Others = Mapping[str, tuple[str, tuple[int, ...], Iterable[Any]]]
"""Type, shape and bytes of each other tensor."""


def write(output: Output, layout: Layout, key: str, rows: Rows, others: Others) -> None:
    """Write a file: larger types first, so that every value stands at a multiple of its size."""
    matrix = (CODES[layout.dtype.name], (layout.count, layout.dimension), rows)
    tensors: dict[str, Any] = {key: matrix, **others}
    names = sorted(tensors, key=lambda name: -_bits(tensors[name][0]))
    header: dict[str, Any] = {METADATA: layout.all_facts} if layout.all_facts else {}
    end = 0
    for name in names:
        code, shape, _ = tensors[name]
        start, end = end, end + int(np.prod(shape, dtype=object)) * _bits(code) // 8
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    output.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        for block in tensors[name][2]:
            output.write(block)


def tensors_of(name: str, column: NDArray[Any]) -> Others:
    """Return a column as tensors for `write`: one, or two for text."""
    if column.dtype.kind == "U":
        words, numbers = np.unique(column, return_inverse=True)
        text = json.dumps(words.tolist(), ensure_ascii=False).encode()
        numbers = np.ascontiguousarray(numbers, np.int64)
        return {
            name: ("I64", numbers.shape, [numbers]),
            name + NAMES: ("U8", (len(text),), [text]),
        }
    return {name: (CODES[column.dtype.name], column.shape, [np.ascontiguousarray(column)])}


def read_header(path: Path) -> tuple[dict[str, Tensor], dict[str, str], int]:
    """Return the tensors, the metadata, and where the bytes of the tensors begin.

    Raises:
        FaceGeomError: When it is no such file, or is damaged.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(_LONGEST_HEADER, size - 8):
                raise ValueError("its header is not whole")
            header = json.loads(file.read(length))
        facts = header.pop(METADATA, {})
        if not all(isinstance(value, str) for value in facts.values()):
            raise ValueError("its metadata are no text")
        tensors = {name: _tensor(entry) for name, entry in header.items()}
    except OSError as error:
        raise FaceGeomError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FaceGeomError(
            f"{path} is no safetensors file, or is damaged ({error}). Copy it again."
        ) from error
    end = max((tensor.stop for tensor in tensors.values()), default=0)
    if size != 8 + length + end:
        raise FaceGeomError(
            f"{path} has {size:,} bytes, its header says {8 + length + end:,}. Copy it again."
        )
    return tensors, facts, 8 + length


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    shape, (start, stop) = tuple(entry["shape"]), entry["data_offsets"]
    found = Tensor(str(entry["dtype"]), shape, start, stop)
    if not all(isinstance(n, int) and n >= 0 for n in (*shape, start, stop)) or start > stop:
        raise ValueError("a shape or an offset is no whole number")
    claimed = int(np.prod(shape, dtype=object)) * _bits(found.code)
    if claimed != 8 * (stop - start):
        raise ValueError("a shape and its bytes contradict each other")
    return found


def _bits(code: str) -> int:
    """Bits of a value of a type, e.g. 64 of `I64`, 16 of `BF16`, 8 of `F8_E4M3` and `BOOL`."""
    digits = "".join(c for c in code.partition("_")[0] if c.isdigit())
    return int(digits) if digits else 8
