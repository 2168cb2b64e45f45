"""Throughput of rewriting a gallery through a map, against the disk, the memory and the product.

    python benchmarks/migration.py [--folder FOLDER] [--count N] [--rounds R]

1,000,000 × 512 templates (`--count`), float32 and then float16, in one safetensors file, go through
a 512 × 512 map with `rewrite_gallery`, which also hashes what it writes and keeps a journal. Beside
it, in turn in the same rounds and process:

- `copy`: the same file copied with `shutil.copyfile` and fsync: what the disk gives;
- `memory`: as many bytes copied in memory with `numpy.copyto`;
- `product`: the bare float32 product of so many rows with the map, chunk by chunk into memory that
  stands already;
- `hash`: SHA-256 of as many bytes.

Every time is the best of the rounds (3). Migration can be no faster than the slowest of copy,
memory and product, the `bound`; nor than the processor time of copy, product and hash shared out
among all cores: on few cores the product alone may take longer than the copy. `of_copy`, `of_bound`
and `of_cores` are the shares of these throughputs that a row reaches. What a run leaves for the
disk is written (`sync`) before the next is timed. The source stays in the page cache, which cannot
be emptied without being root: reading costs no disk time on either side. Memory is the peak of the
resident size over what it was before, for 100,000 and for all templates.

It needs 2 × 2 GB on disk in a temporary folder in `--folder` (default: the system's), which is
deleted. Writes benchmarks/results/migration.csv.
"""

from __future__ import annotations

import argparse
import csv
import os

# On a busy machine threads that wait by spinning take the cores from those that compute.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import platform
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from facegeom_lit.galleries import open_gallery, rewrite_gallery, write_gallery
from facegeom_lit.galleries.rewriting import ROWS
from facegeom_lit.geometry.side_by_side import SideBySide

RESULTS = Path(__file__).parent / "results" / "migration.csv"
DIMENSION = 512


def chunks(count: int) -> Iterator[NDArray[np.float32]]:
    """Random templates of length one, so many at a time as random numbers take no time."""
    made = np.random.default_rng(0).standard_normal((ROWS, DIMENSION), dtype=np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    for start in tqdm(range(0, count, ROWS), desc="make", leave=False):
        yield np.roll(made, start, axis=1)[: count - start]


def gallery(path: Path, count: int, dtype: str) -> Path:
    """Write a gallery to migrate."""
    write_gallery(
        path,
        chunks(count),
        count=count,
        dimension=DIMENSION,
        dtype=dtype,
        columns={"identity": np.arange(count) // 4},
        model="old",
        facts={},
    )
    return path


class Migration:
    """A map between two models, as `facegeom migrate` applies it."""

    def __init__(self) -> None:
        g = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(DIMENSION, DIMENSION, generator=g) / DIMENSION**0.5
        self.offset = torch.randn(DIMENSION, generator=g)

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map rows."""
        made = torch.addmm(self.offset, torch.from_numpy(rows), self.matrix)
        return np.asarray(made.numpy())


def migrated(source: Path) -> None:
    """Rewrite a gallery through the map, and delete what came out."""
    output = source.with_name(f"new-{source.name}")
    with SideBySide(torch.device("cpu")) as workers:
        rewrite_gallery(
            open_gallery(source),
            output,
            Migration(),
            dimension=DIMENSION,
            model="new",
            facts={},
            threads=workers.number,
        )
    output.unlink()
    output.with_name(output.name + ".sha256").unlink()


def copied(source: Path) -> None:
    """Copy a file until it is on the disk, and delete the copy."""
    output = source.with_name("copy")
    shutil.copyfile(source, output)
    with output.open("rb+") as file:
        os.fsync(file.fileno())
    output.unlink()


def in_memory(size: int) -> Callable[[], None]:
    """Copy so many bytes from memory to memory, in blocks that no cache holds."""
    block = 1 << 28
    given, into = np.ones(block, np.uint8), np.zeros(block, np.uint8)

    def work() -> None:
        for start in range(0, size, block):
            length = min(block, size - start)
            np.copyto(into[:length], given[:length])

    return work


def product(count: int) -> Callable[[], None]:
    """Multiply so many rows with the map, into memory that stands."""
    migration = Migration()
    given = torch.from_numpy(next(iter(chunks(ROWS))))
    into = torch.zeros_like(given)

    def work() -> None:
        for start in range(0, count, ROWS):
            length = min(ROWS, count - start)
            torch.addmm(migration.offset, given[:length], migration.matrix, out=into[:length])

    return work


def hashed(size: int) -> Callable[[], None]:
    """Hash so many bytes."""
    block = bytes(ROWS * DIMENSION * 4)

    def work() -> None:
        digest = sha256()
        for start in range(0, size, len(block)):
            digest.update(block[: size - start])
        digest.hexdigest()

    return work


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Wall and processor time of one run, with nothing left over for the disk from before."""
    os.sync()
    start, spent = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - spent


def peak_megabytes(work: Callable[[], None]) -> float:
    """Largest resident size while something runs, over what it was before (Linux)."""
    page = os.sysconf("SC_PAGE_SIZE")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    before, peak, over = resident(), [0], threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    over.set()
    watcher.join()
    return (peak[0] - before) / 2**20


def measure(folder: Path, count: int, dtype: str, rounds: int) -> list[dict[str, object]]:
    """Time the four in turn, and return a row for each."""
    source = gallery(folder / f"{dtype}.safetensors", count, dtype)
    size = source.stat().st_size
    works = {
        "migration": lambda: migrated(source),
        "copy": lambda: copied(source),
        "memory": in_memory(size),
        "product": product(count),
        "hash": hashed(size),
    }
    times: dict[str, list[tuple[float, float]]] = {what: [] for what in works}
    for _ in range(rounds):
        for what, work in works.items():
            times[what].append(seconds(work))
    best = {what: min(wall for wall, _ in taken) for what, taken in times.items()}
    spent = {what: min(cpu for _, cpu in taken) for what, taken in times.items()}
    bound = max(best[what] for what in ("copy", "memory", "product"))
    together = sum(spent[what] for what in ("copy", "product", "hash"))
    with_cores = max(bound, together / (os.cpu_count() or 1))
    few = gallery(folder / f"few-{dtype}.safetensors", min(count, 100_000), dtype)
    memory = {"migration": round(peak_megabytes(lambda: migrated(source)))}
    memory_few = {"migration": round(peak_megabytes(lambda: migrated(few)))}
    for path in (source, few):
        path.unlink()
    return [
        {
            "what": what,
            "dtype": dtype,
            "templates": count,
            "seconds": round(taken, 3),
            "slowest_s": round(max(wall for wall, _ in times[what]), 3),
            "processor_s": round(spent[what], 3),
            "templates_per_s": round(count / taken),
            "mb_per_s": round(size / taken / 1e6),
            "of_copy": round(best["copy"] / taken, 3),
            "of_bound": round(bound / taken, 3),
            "of_cores": round(with_cores / taken, 3),
            "bound": max(("copy", "memory", "product"), key=best.__getitem__),
            "extra_mb": memory.get(what, ""),
            "extra_mb_100k": memory_few.get(what, ""),
        }
        for what, taken in best.items()
    ]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Throughput of migrating a gallery.")
    parser.add_argument("--folder", default=None, help="where temporary files may stand")
    parser.add_argument("--count", type=int, default=1_000_000, help="templates (default 10⁶)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default 3)")
    options = parser.parse_args()
    machine = {
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }
    print(*(f"{key}={value}" for key, value in machine.items()))
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="migration-") as folder:
        for dtype in ("float32", "float16"):
            rows += measure(Path(folder), options.count, dtype, options.rounds)
    print("  ".join(f"{key:>9}" for key in rows[0]))
    for row in rows:
        print("  ".join(f"{value!s:>{max(9, len(key))}}" for key, value in row.items()))
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[*rows[0], *machine])
        writer.writeheader()
        writer.writerows(row | machine for row in rows)
    print(f"output: {RESULTS}")


if __name__ == "__main__":
    main()
