"""Time and memory of exact verification figures over all pairs, against sorting all scores.

    python benchmarks/evaluation.py [--rows 14200] [--people 1420] [--dimension 128]

Each side runs in a process of its own on the same embeddings: people of equally many images, 10⁸
pairs by default. `streaming` is what `facegeom evaluate` does (`roc_counts`, then the thresholds by
`far_thresholds`, then intervals by `roc_intervals`); `sorted` is what a user would write: all
scores in one NumPy array, sorted, with `searchsorted`. Extra memory is the peak of the resident
size over what it was before. OMP_NUM_THREADS sets how many threads the products use. Writes
benchmarks/results/evaluation.csv.
"""

from __future__ import annotations

import argparse
import csv
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import multiprocessing
import platform
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facegeom_lit.files import atomic_path
from facegeom_lit.geometry.far_thresholds import far_thresholds
from facegeom_lit.geometry.roc_bootstrap import roc_intervals
from facegeom_lit.geometry.score_source import AllPairs
from facegeom_lit.geometry.streaming_roc import roc_counts

RESULTS = Path(__file__).parent / "results" / "evaluation.csv"
FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
COLUMNS = ("side", "seconds", "extra_mib", "auc", *(f"tar@{far:g}" for far in FARS), "threshold")


def faces(rows: int, people: int, dimension: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings of people, about as far apart as those of a good model."""
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(rows) * people // rows
    centres = torch.randn(people, dimension, generator=g)
    return centres[labels] + 1.2 * torch.randn(rows, dimension, generator=g), labels


def peak_mib() -> float:
    """Peak of the resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def streaming(embeddings: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
    """Figures and thresholds in two passes."""
    pairs = AllPairs(embeddings, labels)
    counts = roc_counts(pairs)
    threshold = far_thresholds(pairs, counts, [1e-4])[1e-4]
    tars = {f"tar@{far:g}": counts.tar(far) for far in FARS}
    return {"auc": counts.auc(), **tars, "threshold": threshold}


def intervals(embeddings: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
    """The same with intervals over people."""
    pairs = AllPairs(embeddings, labels)
    counts = roc_counts(pairs)
    grid = np.geomspace(counts.smallest_far, 0.999, 121)
    roc_intervals(pairs, counts, fars=FARS, curve=grid)
    return {"auc": counts.auc(), **{f"tar@{far:g}": counts.tar(far) for far in FARS}}


def sorted_scores(embeddings: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
    """All scores in memory."""
    points = torch.nn.functional.normalize(embeddings).numpy()
    upper = np.triu_indices(len(points), 1)
    scores = (points @ points.T)[upper]
    same = (labels.numpy()[:, None] == labels.numpy())[upper]
    del upper
    genuine, impostor = np.sort(scores[same]), np.sort(scores[~same])
    below = np.searchsorted(impostor, genuine, "left") + np.searchsorted(impostor, genuine, "right")
    found: dict[str, Any] = {"auc": float(below.mean() / 2 / len(impostor))}
    for far in FARS:
        threshold = impostor[len(impostor) - 1 - int(far * len(impostor) + 1e-9)]
        found[f"tar@{far:g}"] = float((genuine > threshold).mean())
        if far == 1e-4:
            found["threshold"] = float(threshold)
    return found


SIDES = {"streaming": streaming, "streaming with intervals": intervals, "sorted": sorted_scores}


def measured(side: str, size: tuple[int, int, int], out: Any) -> None:
    """Run one side and send what it found, its time and its memory."""
    embeddings, labels = faces(*size)
    SIDES[side](*(part[:600] for part in (embeddings, labels)))  # libraries loaded, threads begun
    before, started = peak_mib(), time.perf_counter()
    found = SIDES[side](embeddings, labels)
    seconds = time.perf_counter() - started
    out.put({"side": side, "seconds": seconds, "extra_mib": peak_mib() - before, **found})


def main() -> None:
    """Measure every side and write the table."""
    parser = argparse.ArgumentParser()
    for name, default in (("rows", 14_200), ("people", 1_420), ("dimension", 128)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    pairs = given.rows * (given.rows - 1) // 2
    print(f"{pairs:,} pairs, {torch.get_num_threads()} threads, {platform.processor()}")
    rows = []
    for side in SIDES:
        out = context.SimpleQueue()
        size = given.rows, given.people, given.dimension
        process = context.Process(target=measured, args=(side, size, out))
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{side} ended with {process.exitcode}")
        found = out.get()
        rows.append({"pairs": pairs, "threads": torch.get_num_threads(), **found})
        figures = ", ".join(f"{key} {found[key]:.6f}" for key in COLUMNS[3:] if key in found)
        print(f"{side}: {found['seconds']:.1f} s, {found['extra_mib']:.0f} MiB; {figures}")
    with atomic_path(RESULTS) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["pairs", "threads", *COLUMNS])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
