"""InsightFace's `.bin` verification sets: a pickle of encoded images, two a pair, and of verdicts.

A pickle is a program. This one is run by an interpreter that knows how to build lists, bytes,
numbers and flat NumPy arrays, and nothing else: no name in the file is ever looked up.

Source: deepinsight/insightface, `recognition/arcface_torch/eval/verification.py` (`load_bin`).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode, portable
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.images import ImagesInMemory
from facegeom_lit.faces.pairs import PairSet, default_folds
from facegeom_lit.files import atomic_path

_PROTOCOL = 4  # the first that stores bytes as they are; every Python 3 reads it


def read_bin(path: str | Path) -> PairSet:
    """Read a `.bin` file of Python 2 or 3, with images as bytes or as NumPy arrays of bytes.

    Args:
        path: The file.

    Returns:
        Its pairs in order. Images that come in several pairs are kept once; nobody has a name.

    Raises:
        FaceGeomError: When it cannot be read, holds anything but images and verdicts, or not two
            images a pair. Nothing in it is executed.
    """
    path = Path(path).expanduser()
    images, same = _contents(path)
    if len(images) != 2 * len(same) or not same:
        raise FaceGeomError(
            f"{path} holds {len(images)} images and {len(same)} verdicts; two images belong to "
            "each. Make the file anew."
        )
    rows: dict[bytes, int] = {}
    row = torch.tensor([rows.setdefault(image, len(rows)) for image in images])
    width = len(str(len(rows) - 1))
    faces = FaceSet.from_store(
        ImagesInMemory(list(rows)),
        np.arange(len(rows)),
        [f"{number:0{width}d}" for number in range(len(rows))],
        path,
    )
    verdicts = torch.tensor(same)
    folds = default_folds(verdicts)
    alone = int((row[::2] == row[1::2]).sum())
    notes = (f"{alone} pairs compare an image with itself",) if alone else ()
    return PairSet(path.stem, faces, row[::2], row[1::2], verdicts, folds, False, notes)


def write_bin(pairs: PairSet, path: str | Path) -> None:
    """Write a `.bin` file that InsightFace's tools read, whole or not at all.

    JPEG and PNG files are stored as they are, others as PNG.

    Args:
        pairs: What to write. The format has neither names nor folds; readers cut ten folds that
            follow one another, so pairs are written fold by fold: ten folds of one size come back.
        path: The file, `.bin`.

    Raises:
        FaceGeomError: When an image is broken, or the file cannot be written.
    """
    path = Path(path).expanduser()
    images: dict[int, bytes] = {}
    for row in torch.cat([pairs.left, pairs.right]).unique().tolist():
        data = pairs.faces.encoded(row)
        images[row], _ = portable(data, decode(data, pairs.faces.name_of(row)))
    by_fold = pairs.folds.argsort(stable=True)
    sides = torch.stack([pairs.left, pairs.right], 1)[by_fold]
    listed = [images[row] for row in sides.flatten().tolist()]
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        pickler = pickle.Pickler(file, _PROTOCOL)
        pickler.fast = True  # each image in full, as published files have it
        pickler.dump((listed, pairs.same[by_fold].tolist()))


def _contents(path: Path) -> tuple[list[bytes], list[bool]]:
    """Return images and verdicts.

    Raises:
        FaceGeomError: When the file holds anything else.
    """
    try:
        found = _Interpreter(BytesIO(path.read_bytes()), encoding="bytes").load()
    except FaceGeomError as error:
        raise FaceGeomError(f"{path} {error}") from None
    except OSError as error:
        raise FaceGeomError(f"Cannot read {path}: {error.strerror}.") from error
    except Exception as error:  # a damaged pickle fails in many ways
        raise FaceGeomError(
            f"{path} is no verification set, or a damaged one ({type(error).__name__}: {error}). "
            "Get it anew."
        ) from error
    images, same = found if isinstance(found, tuple | list) and len(found) == 2 else (None, None)
    if isinstance(same, _Array):
        same = same.numbers()
    if not isinstance(images, list) or not isinstance(same, list):
        raise FaceGeomError(
            f"{path} is no verification set: it must hold a list of images and a list of verdicts."
        )
    verdicts = [verdict.number if isinstance(verdict, _Scalar) else verdict for verdict in same]
    for number, verdict in enumerate(verdicts):
        if not isinstance(verdict, int) or verdict not in (0, 1):
            raise FaceGeomError(f"{path}: the verdict of pair {number} is neither true nor false.")
    files = [image.data if isinstance(image, _Array) else image for image in images]
    for number, file in enumerate(files):
        if not isinstance(file, bytes) or not file:
            raise FaceGeomError(
                f"{path}: image {number} is not an image file's bytes. Make the file anew."
            )
    return files, [bool(verdict) for verdict in verdicts]


class _Type:
    """A NumPy type of whole numbers, by its code: `u1`, `b1`, `i8` …."""

    def __init__(self, code: Any, *_: Any) -> None:
        code = code.decode() if isinstance(code, bytes) else code
        if not isinstance(code, str) or code.lstrip("<>|=") not in _TYPES:
            # Not its repr, which need not end: a tuple may hold one tuple many times.
            found = code if isinstance(code, str) else type(code).__name__
            raise FaceGeomError(f"holds a NumPy array of type {found[:40]!r}, which no image has.")
        self.code = code.lstrip("<>|=")

    def __setstate__(self, state: Any) -> None:
        """Ignore byte order and alignment."""


_TYPES = ("u1", "b1", "i1", "i4", "i8")


class _Array:
    """A flat NumPy array, as the bytes it consists of."""

    def __init__(self, *_: Any) -> None:
        self.kind, self.data = "u1", b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, _, data = state
        self._set(shape, kind, data)

    @classmethod
    def from_buffer(cls, data: Any, kind: Any, shape: Any, *_: Any) -> _Array:
        """Rebuild as protocol 5 stores arrays."""
        array = cls()
        array._set(shape, kind, data)
        return array

    def _set(self, shape: Any, kind: Any, data: Any) -> None:
        if not isinstance(kind, _Type) or not isinstance(data, bytes):
            raise FaceGeomError("holds a NumPy array of objects.")
        if not isinstance(shape, tuple) or not all(isinstance(side, int) for side in shape):
            raise FaceGeomError("holds a NumPy array without a shape.")
        if max(shape) != prod(shape) or prod(shape) * int(kind.code[1]) != len(data):
            raise FaceGeomError(f"holds a NumPy array of shape {shape}; images are files in bytes.")
        self.kind, self.data = kind.code, data

    def numbers(self) -> list[int]:
        """Return the numbers in it."""
        return np.frombuffer(self.data, self.kind.replace("b1", "?")).tolist()


class _Scalar:
    """A NumPy number."""

    def __init__(self, kind: Any, data: Any) -> None:
        if not isinstance(kind, _Type) or not isinstance(data, bytes):
            raise FaceGeomError("holds a NumPy scalar of another type than a number.")
        self.number = int.from_bytes(data, "little")


def _encode(text: str, encoding: str) -> bytes:
    """Rebuild bytes as Python 3 stores them for Python 2."""
    if not isinstance(text, str) or encoding != "latin1":
        raise FaceGeomError("holds text in another encoding than latin1.")
    return text.encode("latin1")


_CORE: dict[str, Callable[..., Any]] = {
    "multiarray._reconstruct": _Array,
    "multiarray.scalar": _Scalar,
    "numeric._frombuffer": _Array.from_buffer,
}
_NAMES: dict[str, Callable[..., Any]] = {
    "_codecs.encode": _encode,
    "numpy.ndarray": _Array,
    "numpy.dtype": _Type,
    **{f"numpy.core.{name}": part for name, part in _CORE.items()},
    **{f"numpy._core.{name}": part for name, part in _CORE.items()},  # from NumPy 2 on
}

_NAMES_OF_OPCODES = (  # noqa: SIM905
    "PROTO STOP FRAME MARK POP POP_MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG1 "
    "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 "
    "UNICODE BINUNICODE SHORT_BINUNICODE EMPTY_LIST LIST APPEND APPENDS "
    "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE "
    "GLOBAL STACK_GLOBAL REDUCE BUILD"
).split()
_OPCODES = [getattr(pickle, name)[0] for name in _NAMES_OF_OPCODES]


class _Interpreter(pickle._Unpickler):
    """Python's own interpreter of pickles, with the opcodes and names above alone.

    It is the one in Python: that in C gives memory to a forged number before it sees the data.
    """

    dispatch: ClassVar[dict[int, Any]] = {}
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return our stand-in for a name of NumPy.

        Raises:
            FaceGeomError: For any other name.
        """
        module = module.decode("latin1") if isinstance(module, bytes) else module
        try:
            return _NAMES[f"{module}.{name}"]
        except KeyError:
            raise FaceGeomError(
                f"asks for {module}.{name}, which no verification set needs: it may be an attack. "
                "Nothing of it was run. Get the file from a source that you trust."
            ) from None

    def load_bytearray8(self) -> None:
        """Read a byte array as bytes, which cannot be longer than the file."""
        self.append(self.read(int.from_bytes(self.read(8), "little")))

    def load_build(self) -> None:
        """Give its state to one of our stand-ins, and to nothing else."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Array | _Type):
            raise FaceGeomError("changes the state of an object, which no verification set does.")
        self.stack[-1].__setstate__(state)


def _refuse(opcode: int) -> Callable[[_Interpreter], NoReturn]:
    def refuse(interpreter: _Interpreter) -> NoReturn:
        raise FaceGeomError(
            f"is no verification set: it has the pickle opcode {bytes([opcode])!r}, which none "
            "needs. Nothing of it was run."
        )

    return refuse


_Interpreter.dispatch = {
    **{opcode: _refuse(opcode) for opcode in range(256)},
    **{code: pickle._Unpickler.dispatch[code] for code in _OPCODES},
    pickle.BYTEARRAY8[0]: _Interpreter.load_bytearray8,
    pickle.BUILD[0]: _Interpreter.load_build,
}
