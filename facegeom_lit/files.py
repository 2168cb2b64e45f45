"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from facegeom_lit.errors import FaceGeomError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    A reader never sees half a file, and a crash leaves what stood there before.

    Args:
        path: Where the file shall stand. Missing parent folders are made.

    Yields:
        The path to write to, with the suffix of `path` kept (writers choose formats by it).

    Raises:
        FaceGeomError: When the file cannot be written (no space, no permission).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise FaceGeomError(
            f"Cannot write {path}: {error.strerror or error}. Free some space, or choose a folder "
            "that can be written, then run the same command again: what was complete is kept."
        ) from error
    finally:
        with suppress(OSError):  # it may not be there, nor its folder be one
            temporary.unlink()


@contextmanager
def atomic_folder(folder: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder` that takes its place when the block succeeds.

    Args:
        folder: Where it shall stand; what stands there until then is replaced as a whole.

    Raises:
        FaceGeomError: When it cannot be written.
    """
    folder = Path(folder)
    aside, old = (
        folder.with_name(f".{folder.name}.{os.getpid()}.{kind}") for kind in ("part", "old")
    )
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        yield aside
        if folder.exists():
            folder.rename(old)
        aside.rename(folder)
    except OSError as error:
        raise FaceGeomError(
            f"Cannot write {folder}: {error.strerror or error}. Free some space, or choose a "
            "folder that can be written, then run the same command again."
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_writable(folder: str | Path) -> None:
    """Raise unless `atomic_folder(folder)` could write; leave no trace.

    For before long work, so that nobody learns after it that nothing can be kept.

    Raises:
        FaceGeomError: When the folder cannot be written.
    """
    folder = Path(folder)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.probe")
    made: list[Path] = []
    try:
        made = [place for place in (aside, *aside.parents) if not place.exists()]
        aside.mkdir(parents=True)
    except OSError as error:
        raise FaceGeomError(
            f"Cannot write {folder}: {error.strerror or error}. Choose a folder that can be "
            "written."
        ) from error
    finally:
        for place in made:
            with suppress(OSError):  # it was not made, or somebody uses it by now
                place.rmdir()


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """Do as `atomic_folder`, but replace nothing.

    Args:
        folder: Where it shall stand: nothing, or an empty folder. What killed processes left
            beside it is removed.

    Raises:
        FaceGeomError: When something stands there, or it cannot be written.
    """
    folder = Path(folder).expanduser()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise FaceGeomError(f"{folder} exists already. Choose a new folder, or delete that one.")
    for leftover in folder.parent.glob(f".{glob.escape(folder.name)}.*.part"):
        process = leftover.name.split(".")[-2]
        if process.isdigit() and not _runs(int(process)):
            shutil.rmtree(leftover, ignore_errors=True)
    with atomic_folder(folder) as aside:
        yield aside


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def plain_name(name: str) -> str:
    """Return a name as a file may have it.

    Example:
        >>> plain_name("my set/2")
        'my_set_2'
    """
    return re.sub(r"[^\w.-]+", "_", name)


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all.

    Raises:
        FaceGeomError: When the file cannot be written.
        ValueError: When `value` holds a NaN or an infinity, which JSON has no word for.
    """
    text = json.dumps(value, indent=2, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        FaceGeomError: When the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FaceGeomError(f"{path} does not exist.") from None
    except OSError as error:
        raise FaceGeomError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is a ValueError
        raise FaceGeomError(f"{path} is not a JSON file: {error}. Copy it again.") from error
