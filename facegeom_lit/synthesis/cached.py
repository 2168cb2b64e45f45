"""Face sets made once and found again by their recipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.synthesis.gating import Gating
from facegeom_lit.synthesis.maker import Maker
from facegeom_lit.synthesis.writer import Producible, generate, production_hash


def prepare_face_set(
    recipe: Producible,
    maker: Maker,
    root: str | Path,
    *,
    progress: bool = True,
    gating: Gating | None = None,
) -> FaceSet:
    """Open `root/<split>-<production hash>`, making what is missing of it first.

    Of several processes that want the same set (the ranks of a distributed run, the jobs of a
    sweep) one makes it while the others wait.

    Args:
        recipe: What to make.
        maker: What makes it.
        root: Folder of all face sets, e.g. a run's cache.
        progress: Show a progress bar where there is something to make, and say who waits.
        gating: Refuses images that are not what was asked for.

    Raises:
        FaceGeomError: When the set cannot be written.
    """
    gating = gating or Gating()
    folder = Path(root) / f"{recipe.split}-{production_hash(recipe, maker, gating)[:12]}"
    with suppress(FaceGeomError):  # not there or not complete; if damaged, `generate` says so
        return FaceSet.open(folder)
    with _alone(folder, progress):
        return generate(recipe, folder, maker, progress, gating=gating)


@contextmanager
def _alone(folder: Path, progress: bool) -> Iterator[None]:
    """Keep other processes from making the same folder.

    The operating system lets go of the lock of a process that ends, however it ends; the empty
    file stays, since waiters would lose each other if it were removed.
    """
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if progress:
                tqdm.write(f"Another process makes {folder}: waiting for it.", file=sys.stderr)
            lock.acquire()
    except OSError as error:
        raise FaceGeomError(
            f"Cannot lock {lock.lock_file}: {error.strerror or error}. Choose another folder with "
            "paths.cache, or make this one writable."
        ) from error
    try:
        yield
    finally:
        lock.release()
