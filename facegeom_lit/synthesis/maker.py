"""Makers turn samples of a recipe into images."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, cached_property
from hashlib import sha256
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Protocol
from weakref import finalize

import numpy as np
import torch
from numpy.typing import NDArray

from facegeom_lit.attributes import vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis import photometric, renderer
from facegeom_lit.synthesis.photometric import apply_all
from facegeom_lit.synthesis.recipe import Sample
from facegeom_lit.synthesis.renderer import FaceRenderer


class Maker(Protocol):
    """Anything that makes the images of a recipe.

    Attributes:
        name: What is written into the column `source`.
        version: Changes whenever the same sample would give another image.
    """

    name: str
    version: str

    def render(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """Return one uint8 (H, W, 3) RGB image for each sample, whatever the batch."""


def source_hash(sources: Iterable[Path]) -> str:
    """Hash the code that decides a pixel: a number raised by hand would be forgotten one day."""
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


class RendererMaker:
    """Renders facial attributes, then applies image attributes.

    Samples that differ in image attributes alone share one rendering, so a lattice node with F
    facial and P image attributes costs 1 + 2·F renderings and not 1 + 2·(F + P).

    Args:
        processes: How many render at once; None: one for each core that this process may use.
            (Rendering a face is many small operations, so threads do not help.) More than one are
            started afresh, so a script needs the usual `if __name__ == "__main__":`.

    Raises:
        FaceGeomError: When the number is not positive.
    """

    name = "renderer"
    version = source_hash(
        [*sorted(Path(renderer.__file__).parent.glob("*.py")), Path(photometric.__file__)]
    )

    def __init__(self, processes: int | None = 1) -> None:
        if processes is not None and processes < 1:
            raise FaceGeomError(f"synthesis.maker.processes must be positive, got {processes}.")
        self.processes = processes or _cores()
        specs = vocabulary().values()
        self._facial = tuple(spec.name for spec in specs if spec.kind == "facial")
        self._photometric = tuple(spec.name for spec in specs if spec.kind == "image")

    def render(self, samples: Sequence[Sample]) -> list[NDArray[np.uint8]]:
        """Return one uint8 (112, 112, 3) image for each sample."""
        keys = [
            (s.identity_seed, s.seed, *(s.attributes[name] for name in self._facial))
            for s in samples
        ]
        different = dict(zip(keys, samples, strict=True))
        faces = dict(zip(different, self._render_faces(list(different.values())), strict=True))
        return [
            apply_all(faces[key], {name: s.attributes[name] for name in self._photometric}, s.seed)
            for key, s in zip(keys, samples, strict=True)
        ]

    def _render_faces(self, samples: list[Sample]) -> list[NDArray[np.uint8]]:
        if self.processes == 1:
            return _render(samples, self._facial)
        size = max(1, len(samples) // (2 * self.processes))
        parts = [samples[start : start + size] for start in range(0, len(samples), size)]
        rendered = self._pool.map(_render, parts, [self._facial] * len(parts))
        return [face for part in rendered for face in part]

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(self.processes, get_context("spawn"), _follow_parent)
        # Ended with this maker: one that is collected half alive complains while Python exits.
        finalize(self, pool.shutdown)
        return pool


def _cores() -> int:
    """Count the cores that this process may use: a cluster's job is often given a few of many."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _renderer() -> FaceRenderer:
    return FaceRenderer()


def _render(samples: Sequence[Sample], facial: Sequence[str]) -> list[NDArray[np.uint8]]:
    """Render the faces of some samples."""
    values = {name: torch.tensor([s.attributes[name] for s in samples]) for name in facial}
    identity = _renderer().identity([s.identity_seed for s in samples])
    faces = _renderer()(identity, values, [s.seed for s in samples])
    return list(faces.permute(0, 2, 3, 1).contiguous().numpy())


def _follow_parent() -> None:
    """Leave Ctrl-C to the process that was asked to do the work, and end when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()
