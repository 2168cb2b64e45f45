"""Work that is shared out over threads: each with its own sums, so that nothing depends on luck."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import TypeVar

import torch

Part = TypeVar("Part")
First = TypeVar("First")
Second = TypeVar("Second")
Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 4
"""Threads that work side by side; further ones are shared out among these."""


class SideBySide:
    """Threads that work on tasks of their own, for as long as the `with` block lasts.

    Meanwhile torch's own threads are shared out among them.

    Args:
        device: Where the work is done. On a CPU there is a worker for each thread of torch, up to
            `MOST`; elsewhere the caller does all.

    Attributes:
        number: Of workers.
    """

    def __init__(self, device: torch.device) -> None:
        self.number = min(torch.get_num_threads(), MOST) if device.type == "cpu" else 1
        self._threads = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> SideBySide:
        if self.number > 1:
            torch.set_num_threads(self._threads // self.number)
            self._pool = ThreadPoolExecutor(self.number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            torch.set_num_threads(self._threads)

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """What the work makes of each item, without gradients, in their order."""
        run = torch.no_grad()(work)
        return list(map(run, items) if self._pool is None else self._pool.map(run, items))

    def do(
        self,
        parts: Sequence[Part],
        tasks: Sequence[tuple[First, Second]],
        work: Callable[[Part, First, Second], None],
    ) -> None:
        """Do all tasks; task `t` with part `t` modulo their number.

        Args:
            parts: What each worker keeps for itself, one for each.
            tasks: Arguments of the work.
            work: What is done with a part and a task, without gradients.
        """
        stop = Event()

        @torch.no_grad()
        def run(number: int) -> None:
            try:
                for task in tasks[number :: len(parts)]:
                    if stop.is_set():
                        return
                    work(parts[number], *task)
            except BaseException:
                stop.set()
                raise

        if self._pool is None:
            run(0)
            return
        running = [self._pool.submit(run, number) for number in range(len(parts))]
        try:
            for future in running:
                future.result()
        except BaseException:
            stop.set()
            raise
