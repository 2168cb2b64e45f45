"""The last step of writing a gallery: whole and on the disk, it gets its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.galleries.journal import fsync_folder
from facegeom_lit.galleries.receipt import write_receipt


def part_path(output: Path) -> Path:
    """Return where a gallery stands until it is whole."""
    return output.with_name(f".{output.name}.part")


def publish(part: Path, output: Path, digest: str, job: str) -> None:
    """Give a whole file its name, with its receipt beside it."""
    write_receipt(output, digest, job)
    part.replace(output)
    fsync_folder(output.parent)


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
