"""Ctrl-C under Lightning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L


@contextmanager
def interruptible(trainer: L.Trainer) -> Iterator[None]:
    """Turn Lightning's way to leave after Ctrl-C, `sys.exit(1)`, back into an interrupt."""
    try:
        yield
    except SystemExit:
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
