"""Work on a file that can be killed at any moment and goes on where it was."""

from __future__ import annotations

import json
from concurrent.futures import Future
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from facegeom_lit.galleries.output import Output

_BLOCK = 1 << 22


class JournaledOutput(Output):
    """An output with a journal beside it: how many rows were done at which byte, and its hash.

    The first line of the journal is the job, and each other one a whole chunk of rows. When work
    is taken up again, the bytes are hashed anew, and what follows the last line that they agree
    with is done again: a journal of another job, a damaged or a lost part cost time alone.

    Args:
        path: The file.
        job: What is done, as one hash; another one starts afresh.

    Attributes:
        rows_done: Rows that stand in the file already.
        damaged: Whether more had been done, but did not stand there.
    """

    def __init__(self, path: Path, job: str) -> None:
        self._journal = journal_path(path)
        places = _places(self._journal, job)
        good, digest = _verified(path, places)
        self.rows_done: int = good[-1][0] if good else 0
        position = good[-1][1] if good else 0
        self.damaged = len(good) < len(places)
        super().__init__(path, position, digest)
        aside = self._journal.with_name(self._journal.name + ".new")
        aside.write_text("".join(json.dumps(line) + "\n" for line in [[job], *good]))
        aside.replace(self._journal)
        self._lines = self._journal.open("a")
        self.restart()

    def done(self, rows: int) -> None:
        """Note that so many rows stand in the file, once they do."""
        if rows > self.rows_done:
            self.rows_done = rows
            digest = self._hashing.submit(self._digest.hexdigest)
            self._pending.append(self._writing.submit(self._note, rows, self.position, digest))

    def close(self) -> None:
        """Let go of the file and its journal."""
        super().close()
        self._lines.close()

    def _note(self, rows: int, position: int, digest: Future[str]) -> None:
        self._lines.write(json.dumps([rows, position, digest.result()]) + "\n")
        self._lines.flush()


def journal_path(path: Path) -> Path:
    """Return where the journal of a file stands."""
    return path.with_name(path.name + ".journal")


def _places(journal: Path, job: str) -> list[list[Any]]:
    """Return (rows, byte, hash) of each chunk that a journal knows of; none of another job."""
    with suppress(OSError, ValueError):
        lines = journal.read_text().splitlines()
        if not lines or json.loads(lines[0]) != [job]:
            return []
        found = []
        with suppress(ValueError):  # the last line may be torn
            for line in lines[1:]:
                rows, position, digest = json.loads(line)
                found.append([int(rows), int(position), str(digest)])
        return found
    return []


def _verified(path: Path, places: list[list[Any]]) -> tuple[list[list[Any]], Any]:
    """Return the places up to which a file is as it was, and the hash of it there."""
    good: list[list[Any]] = []
    digest, reached = sha256(), sha256()
    with suppress(OSError), path.open("rb") as file:
        for place in places:
            left = place[1] - file.tell()
            while left > 0 and (block := file.read(min(left, _BLOCK))):
                digest.update(block)
                left -= len(block)
            if left or digest.hexdigest() != place[2]:
                break
            good.append(place)
            reached = digest.copy()
    return good, reached
