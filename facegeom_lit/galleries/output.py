"""A file that is written from its first byte to its last, and hashed meanwhile."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

_WAITING = 3
"""Works on blocks, two for each, that may be left undone: more would only take memory."""
_SYNCED = 1 << 26
"""Bytes after which the disk is waited for, so that there is little to wait for at the end."""


class Output:
    """Takes the bytes of a file in order, and hashes and writes them in two threads.

    NumPy, zipfile and Arrow write into it as into any unbuffered file that cannot be read or
    moved in.

    Args:
        path: The file, new or to be continued.
        position: Bytes that stand there already.
        digest: The hash of those.

    Attributes:
        position: Bytes given so far.
    """

    closed = False

    def __init__(self, path: Path, position: int = 0, digest: Any = None) -> None:
        self.path = path
        self.position = self._present = position
        self._unsynced = 0
        self._digest = sha256() if digest is None else digest
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        os.ftruncate(self._file, position)
        os.lseek(self._file, position, os.SEEK_SET)
        self._hashing, self._writing = (ThreadPoolExecutor(1, n) for n in ("hash", "write"))
        self._pending: deque[Future[Any]] = deque()

    def restart(self) -> None:
        """Go to the first byte again: what stands there already is given once more, unwritten."""
        self.position = 0

    def write(self, data: Any) -> int:
        """Take the next bytes, which must not change afterwards.

        Raises:
            OSError: When these or earlier ones cannot be written.
        """
        block = memoryview(data).cast("B")
        skipped = min(max(self._present - self.position, 0), len(block))
        self.position += len(block)
        if skipped < len(block):
            new = block[skipped:]
            self._wait(_WAITING)
            self._pending.append(self._hashing.submit(self._digest.update, new))
            self._pending.append(self._writing.submit(self._put, new))
        return len(block)

    def flush(self) -> None:
        """Do nothing: nothing is held back for long."""

    def writable(self) -> bool:
        """Say that it can be written to, as Arrow asks."""
        return True

    def seekable(self) -> bool:
        """Say that there is no going back, as zipfile asks."""
        return False

    def read(self, start: int, size: int) -> bytes:
        """Read `size` bytes that stand in the file from `start` on."""
        found = os.pread(self._file, size, start)
        if len(found) != size:
            raise OSError(f"{self.path} became shorter while it was read")
        return found

    def finish(self) -> str:
        """Wait until all is on the disk; return the SHA-256 of the file, 64 hex digits.

        Raises:
            OSError: When something cannot be written.
        """
        self._wait(0)
        os.fsync(self._file)
        return str(self._digest.hexdigest())

    def close(self) -> None:
        """Let go of the file, whatever was written."""
        for thread in (self._hashing, self._writing):
            thread.shutdown(cancel_futures=True)
        os.close(self._file)

    def _wait(self, count: int) -> None:
        while len(self._pending) > count:
            self._pending.popleft().result()

    def _put(self, block: memoryview) -> None:
        self._unsynced += len(block)
        while block:
            block = block[os.write(self._file, block) :]
        if self._unsynced >= _SYNCED:
            os.fsync(self._file)
            self._unsynced = 0
