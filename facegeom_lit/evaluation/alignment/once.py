"""What several threads need is made by one of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

Made = TypeVar("Made")


class Once:
    """Results by key, each made once, however many threads ask for it.

    Example:
        >>> once = Once()
        >>> once("a", lambda: 1), once("a", lambda: 2)
        (1, 1)
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._locks: dict[Hashable, Lock] = {}
        self._made: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """The result of `key`; who asks first makes it, and others wait for it.

        Args:
            key: Of the result.
            make: Makes it; may ask for other keys. What it raises is raised, and the next who
                asks tries again.
        """
        with self._guard:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            if key not in self._made:
                self._made[key] = make()
            made: Made = self._made[key]
            return made
