"""The last step of writing a gallery: whole and on the disk, it gets its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.receipt import write_receipt


def part_path(output: Path) -> Path:
    """Return where a gallery stands until it is whole."""
    return output.with_name(f".{output.name}.part")


def publish(part: Path, output: Path, digest: str, job: str) -> None:
    """Give a whole file its name, with its receipt beside it."""
    write_receipt(output, digest, job)
    part.replace(output)
    _fsync_folder(output.parent)


@contextmanager
def disk_errors_named(output: Path, kept: str) -> Iterator[None]:
    """Turn what the disk refuses into one message.

    Args:
        output: What is written.
        kept: What becomes of the work, as a sentence.

    Raises:
        FaceGeomError: When the block cannot write.
    """
    try:
        yield
    except OSError as error:
        raise FaceGeomError(
            f"Cannot write {output}: {error.strerror or error}. Free some space, or choose a "
            f"folder that can be written, then run the same command again. {kept}"
        ) from error


@contextmanager
def only_writer(output: Path) -> Iterator[None]:
    """Let no other process write the same file meanwhile.

    Raises:
        FaceGeomError: When another does.
    """
    path = output.with_name(f".{output.name}.lock")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FaceGeomError(f"Another process is writing {output}. Wait for it.") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def _fsync_folder(folder: Path) -> None:
    """Make renamings in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
