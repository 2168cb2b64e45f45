"""Rewrites galleries and is killed midway: argv is a folder, `old.*` in it → `new.*`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.galleries import open_gallery, rewrite_gallery, rewriting

ROWS = 8
MAP = np.linspace(-1, 1, 24).reshape(6, 4).astype(np.float32)
ARGUMENTS: dict[str, Any] = {"dimension": 4, "model": "b" * 64, "facts": {"map": "ridge"}}


def mapped(rows: NDArray[Any]) -> NDArray[Any]:
    return rows @ MAP


def killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def rewrite_and_die(path: Path, chunks: int) -> None:
    left = [chunks]

    def transform(rows: NDArray[Any]) -> NDArray[Any]:
        left[0] -= 1
        if left[0] < 0:
            time.sleep(0.1)  # such small chunks are computed before the first one is written
            killed()
        return mapped(rows)

    rewriting.publish = killed  # type: ignore[assignment]
    output = path.with_stem("new")
    rewrite_gallery(open_gallery(path), output, transform, rows=ROWS, **ARGUMENTS)


if __name__ == "__main__":
    for source in sorted(Path(sys.argv[1]).glob("*/old.*")):
        if source.suffix != ".json":
            child = os.fork()
            if not child:
                rewrite_and_die(source, int(source.parent.name))
            assert os.waitpid(child, 0)[1] == signal.SIGKILL
