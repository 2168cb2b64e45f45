"""The device that a setting names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from facegeom_lit.errors import FaceGeomError


def chosen_device(value: Any, key: str) -> torch.device:
    """Return the device that a setting names, without touching it.

    A GPU without a number is the current one, which Lightning sets on each process only later:
    nothing is put on it here, else every process would open the first GPU.

    Args:
        value: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1` … or `mps`.
        key: The setting, for the error.

    Raises:
        FaceGeomError: When there is no such device here.

    Example:
        >>> chosen_device("cpu", "synthesis.maker.device")
        device(type='cpu')
    """
    if value == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(value)
    except (RuntimeError, TypeError):
        found = None
    if found is None or (found.index or 0) >= _count(found.type):
        raise FaceGeomError(f"{key}={value}: there is no such device here; use auto or cpu.")
    return found


def _count(kind: str) -> int:
    """Return how many devices of a kind there are."""
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    return int(kind == "cpu")


@contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """Sum in one order on the CPU: the number of threads would change the last bits."""
    threads = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
