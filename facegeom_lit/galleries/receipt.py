"""`<file>.sha256` beside a finished file: its hash, as `sha256sum -c` reads it, and its job."""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_path

_JOB = "# job "


def receipt_path(path: Path) -> Path:
    """Return where the receipt of a file stands."""
    return path.with_name(path.name + ".sha256")


def write_receipt(path: Path, digest: str, job: str) -> None:
    """Write the receipt of a file, which may not be there yet."""
    with atomic_path(receipt_path(path)) as temporary:
        temporary.write_text(f"{_JOB}{job}\n{digest} *{path.name}\n", encoding="utf-8")


def finished(path: Path, job: str) -> str | None:
    """Return the SHA-256 of a file that this job made before; None where none stands.

    Raises:
        FaceGeomError: When something else stands there, or the file has changed since.
    """
    if not path.exists():
        return None
    try:
        lines = receipt_path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    if len(lines) != 2 or lines[0] != _JOB + job:
        raise FaceGeomError(
            f"{path} exists already, and is not what this command would write. Choose another "
            "output, or delete it."
        )
    with path.open("rb") as file:
        found = file_digest(file, "sha256").hexdigest()
    if lines[1].split(" ")[0] != found:
        raise FaceGeomError(
            f"{path} has changed since it was written: its SHA-256 is {found[:12]}…, "
            f"{receipt_path(path)} says {lines[1][:12]}…. Delete it and run the command again."
        )
    return found
