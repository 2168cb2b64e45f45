"""`.npz`: a ZIP archive of arrays; text of no dimension is a fact."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.array_block import bytes_of, native
from facegeom_lit.galleries.formats.npy import read_header, write_header
from facegeom_lit.galleries.formats.zipped_matrix import zipped_matrix
from facegeom_lit.galleries.gallery import CARD, MODEL, Gallery, Layout, Rows
from facegeom_lit.galleries.matrix import matrix_name
from facegeom_lit.galleries.output import Output

SUFFIX = ".npy"
_DATE = (1980, 1, 1, 0, 0, 0)
"""When every member was written, so that the same content is the same file."""
_BLOCK = 1 << 20
_LONGEST_FACT = 1 << 20


class NpzGallery(Gallery):
    """A matrix of an `.npz` file.

    A member that is stored as it is can be read anywhere; a compressed one is read from its start
    to its end, so that a step back begins anew.
    """

    format = "npz"

    def __init__(self, path: Path, key: str | None = None) -> None:
        with _damage_named(path), ZipFile(path) as archive:
            self._members = {
                info.filename.removesuffix(SUFFIX): info for info in archive.infolist()
            }
            found, facts = {}, {}
            for name, info in self._members.items():
                if not info.filename.endswith(SUFFIX):
                    continue
                with archive.open(info) as file:
                    header = read_header(file, f"{path}: {name!r}")
                    shape, _, dtype = header
                    if shape == () and dtype.kind == "U" and dtype.itemsize <= _LONGEST_FACT:
                        facts[name] = str(np.frombuffer(file.read(dtype.itemsize), dtype)[0])
                        continue
                    found[name] = (*header, file.tell())
        arrays = {name: (shape, dtype.name) for name, (shape, _, dtype, _) in found.items()}
        name = matrix_name(path, arrays, key)
        self._facts = tuple(facts)
        model = facts.pop(MODEL, None)
        (count, dimension), fortran, dtype, start = found[name]
        info, shape = self._members[name], (count, dimension)
        with _damage_named(path):
            self._rows = zipped_matrix(path, info, start, shape, dtype, fortran)
        super().__init__(path, name, Layout(count, dimension, native(dtype), model, facts))

    def column_names(self) -> tuple[str, ...]:
        """Names of the other arrays."""
        return tuple(name for name in self._members if name not in (self.key, *self._facts))

    def column(self, name: str) -> NDArray[Any]:
        """Read another array whole."""
        info = self._members[name]
        with _damage_named(self.path), ZipFile(self.path) as archive, archive.open(info) as file:
            return np.asarray(npy.read_array(file, allow_pickle=False))

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        with _damage_named(self.path):
            return self._rows.read(start, stop)

    def rewrite(self, output: Output, layout: Layout, rows: Rows) -> None:
        """Write the archive anew; the matrix is stored uncompressed.

        A matrix that is called by its model, as `facegeom embed` does, is called by the new one:
        `facegeom evaluate` and `align` know models by these names.
        """
        members = [self._members[name] for name in self.column_names()]
        others = [(info.filename, info.compress_type, self._blocks(info)) for info in members]
        named = layout.facts.get(CARD) if self.key == self.layout.facts.get(CARD) else None
        taken = {*self._members, *layout.all_facts}
        key = named if named and named not in taken else self.key
        write(output, layout, key, rows, others)

    def _blocks(self, info: ZipInfo) -> Iterator[bytes]:
        with _damage_named(self.path), ZipFile(self.path) as archive, archive.open(info) as file:
            while block := file.read(_BLOCK):
                yield block


def write(
    output: Output,
    layout: Layout,
    key: str,
    rows: Rows,
    others: Sequence[tuple[str, int, Iterable[bytes]]],
) -> None:
    """Write an archive: the facts, the matrix, the other members.

    Args:
        output: Takes the bytes of the file.
        layout: What it says of the embeddings.
        key: Name of the matrix.
        rows: The embeddings.
        others: File name, way of compression and bytes of each other member.
    """
    if taken := {key, *(name.removesuffix(SUFFIX) for name, *_ in others)} & set(layout.all_facts):
        raise FaceGeomError(
            f"{min(taken)!r} is the name of a fact and of an array, which cannot stand in one .npz "
            "file. Name one of them otherwise."
        )
    with ZipFile(output, "w") as archive:
        for name, value in layout.all_facts.items():
            with _member(archive, name + SUFFIX) as member:
                text = np.asarray(value)
                write_header(member, (), text.dtype)
                member.write(text.tobytes())
        with _member(archive, key + SUFFIX) as member:
            write_header(member, (layout.count, layout.dimension), layout.dtype)
            for chunk in rows:
                member.write(bytes_of(chunk))
        for filename, compression, blocks in others:
            with _member(archive, filename, compression) as member:
                for block in blocks:
                    member.write(block)


def member_of(name: str, column: NDArray[Any]) -> tuple[str, int, Iterable[bytes]]:
    """Return an array as a member for `write`."""
    column = np.ascontiguousarray(column)
    header = _Bytes()
    write_header(header, column.shape, column.dtype)
    return name + SUFFIX, ZIP_DEFLATED, (header.value, column.tobytes())


class _Bytes:
    value = b""

    def write(self, data: bytes) -> None:
        self.value += data


def _member(archive: ZipFile, filename: str, compression: int = ZIP_STORED) -> Any:
    info = ZipInfo(filename, _DATE)
    info.compress_type = compression
    return archive.open(info, "w", force_zip64=True)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except FaceGeomError:
        raise
    except (BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, KeyError) as error:
        raise FaceGeomError(
            f"{path} is no .npz file of plain arrays, or is damaged "
            f"({str(error) or type(error).__name__}). Copy it again, or write it with numpy.savez."
        ) from error
