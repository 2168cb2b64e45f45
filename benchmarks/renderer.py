"""Faces per second of the parametric renderer, in one process and in one per core.

    python benchmarks/renderer.py [faces]

Prints the rates and writes them to benchmarks/results/renderer.csv with machine and versions.
"""

from __future__ import annotations

import csv
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from facegeom_lit import __version__
from facegeom_lit.attributes import vocabulary
from facegeom_lit.synthesis.renderer import FaceRenderer

RESULTS = Path(__file__).parent / "results" / "renderer.csv"


def render(first: int, count: int) -> float:
    """Render `count` people with random attributes from seed `first`; return the seconds."""
    renderer = FaceRenderer()
    specs = vocabulary()
    generator = torch.Generator().manual_seed(first)
    seeds = list(range(first, first + count))
    people = renderer.identity(seeds)
    attributes = {
        name: specs[name].low
        + (specs[name].high - specs[name].low) * torch.rand(count, generator=generator)
        for name in renderer.attributes
    }
    renderer(people[:1], {name: values[:1] for name, values in attributes.items()}, seeds[:1])
    start = time.perf_counter()
    renderer(people, attributes, seeds)
    return time.perf_counter() - start


def main() -> None:
    """Measure, print, write."""
    faces = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]  # what else ran: on a busy machine the rates are lower bounds
    rows = []
    for processes in sorted({1, cores}):
        share = faces // processes
        firsts = [share * i for i in range(processes)]
        with ProcessPoolExecutor(processes) as pool:
            seconds = max(pool.map(render, firsts, [share] * processes))
        rate = share * processes / seconds
        print(f"{processes} process(es): {rate:.1f} faces/s")
        rows.append(
            {
                "processes": processes,
                "faces": share * processes,
                "seconds": round(seconds, 3),
                "faces_per_second": round(rate, 1),
                "cores": cores,
                "load_before": round(load, 2),
                "machine": platform.machine(),
                "python": platform.python_version(),
                "torch": torch.__version__,
                "facegeom_lit": __version__,
            }
        )
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
