"""Opens hostile files, one after the other, and prints what came of each as a line of JSON.

A case that hangs, in Python or in C, ends the process after `LIMIT` seconds; the caller sees whose
line is missing. Usage: python -m hostile.child FOLDER CASE ...
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import hostile.everything  # noqa: F401
from hostile.cases import CANARY, CASES
from hostile.ways import WAYS

from facegeom_lit.errors import FaceGeomError

LIMIT = 20
"""Seconds for one case."""
MEMORY = 6 << 30
"""Bytes of address space beyond what the libraries take."""
WATCHED = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.connect",
)
"""What no reader of a file has to do, as Python's audit hooks call it."""

events: list[str] = []


def main(folder: Path, names: list[str]) -> None:
    """Open the cases."""
    warnings.simplefilter("ignore")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for name in names:
        place = folder / name
        place.mkdir()
        source = CASES[name].build(place)
        before = tree(place)
        print(json.dumps({"name": name, "begun": True}), flush=True)
        Path("/proc/self/clear_refs").write_text("5")  # the highest memory so far is forgotten
        base = memory("VmRSS")
        events.clear()
        started = time.perf_counter()
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        outcome = opened(CASES[name].way, source)
        faulthandler.cancel_dump_traceback_later()
        outcome |= {
            "name": name,
            "seconds": time.perf_counter() - started,
            "megabytes": (memory("VmHWM") - base) / 1024,
            "events": list(events),
            "canary": (place / CANARY).exists(),
            "appeared": sorted(tree(place) - before),
            "file": Path(str(source if isinstance(source, Path) else source["path"])).name,
        }
        print(json.dumps(outcome), flush=True)


def opened(way: str, source: Any) -> dict[str, Any]:
    """Open one source and tell what it raised."""
    try:
        WAYS[way](source)
    except FaceGeomError as error:
        return {"error": "FaceGeomError", "message": str(error)}
    except BaseException as error:
        return {"error": type(error).__name__, "message": str(error)[:500], "where": where(error)}
    return {"error": "", "message": ""}


def where(error: BaseException) -> list[str]:
    """Name the last lines that an error came through."""
    trace, lines = error.__traceback__, []
    while trace is not None:
        lines.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
        trace = trace.tb_next
    return lines[-6:]


def tree(folder: Path) -> set[str]:
    """Everything below a folder, links not followed."""
    return {
        os.path.relpath(os.path.join(base, name), folder)
        for base, folders, files in os.walk(folder)
        for name in (*folders, *files)
    }


def memory(key: str) -> int:
    """A figure of this process in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(key)))


if __name__ == "__main__":
    sys.addaudithook(lambda event, _: events.append(event) if event in WATCHED else None)
    main(Path(sys.argv[1]), sys.argv[2:])
