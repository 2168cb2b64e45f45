"""Work shared out to processes of this machine that end when their parent does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cached_property
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar
from weakref import finalize

from facegeom_lit.errors import FaceGeomError

T = TypeVar("T")
R = TypeVar("R")


class Processes:
    """Several processes that each do a part of a list; a single one is this very process.

    Args:
        count: How many; None: one for each core that this process may use. More than one are
            started afresh, so a script needs the usual `if __name__ == "__main__":`.

    Raises:
        FaceGeomError: When the number is not positive.
    """

    def __init__(self, count: int | None) -> None:
        if count is not None and (not isinstance(count, int) or count < 1):
            raise FaceGeomError(f"processes must be positive, got {count!r}. Give a whole number.")
        self.count = count or _cores()

    def map(self, work: Callable[..., list[R]], items: list[T], *arguments: Any) -> list[R]:
        """Return `work(items, *arguments)`, computed in parts; one result for each item.

        Args:
            work: A function of a module, so that another process can find it.
            items: Shared out in order.
            arguments: The same for every part.

        Raises:
            FaceGeomError: When a process was killed.
        """
        if self.count == 1 or len(items) < 2:
            return work(items, *arguments)
        size = max(1, len(items) // (2 * self.count))
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        done = self._pool.map(work, parts, *([argument] * len(parts) for argument in arguments))
        try:
            return [result for part in done for result in part]
        except BrokenProcessPool as error:
            raise FaceGeomError(
                f"One of {self.count} processes was killed, for want of memory perhaps. Set a "
                "smaller processes=…, and run the same command again: what was done is kept."
            ) from error

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(self.count, get_context("spawn"), _follow_parent)
        # Ended with its owner: one that is collected half alive complains while Python exits.
        finalize(self, pool.shutdown)
        return pool


def _cores() -> int:
    """Count the cores that this process may use: a cluster's job is often given a few of many."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _follow_parent() -> None:
    """Leave Ctrl-C to the process that was asked to do the work, and end when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()
