"""Time and memory of the attribute energy against what a user would write instead.

    python benchmarks/energy.py [--radius 0.6]

1. `ball`, 2,000 curves × 512 dimensions, against plain scikit-learn: a radius-neighbour graph,
   then paired cosine distances over its pairs. That time grows with the share of pairs that are
   neighbours, which is printed.
2. Every neighbourhood, 5,000 curves × 8 attributes at shared base points, against the bare matrix
   products: one x·xᵀ and, for each attribute, one u·uᵀ, each into memory that already stands.

Both sides run in turn in one process on the same threads (OMP_NUM_THREADS sets how many); times
are the best of several runs (scikit-learn's is one run, after a small one to warm up). Extra memory
is the peak of the resident size over what the inputs take. Energies are compared with
scikit-learn's and with whole matrices in float64. Writes benchmarks/results/energy.csv.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import os

# On a busy machine threads that wait by spinning take the cores from those that compute.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.metrics.pairwise import paired_cosine_distances
from sklearn.neighbors import radius_neighbors_graph
from torch import Tensor

from facegeom_lit.geometry.energy import attribute_energies
from facegeom_lit.geometry.neighborhood import NeighborhoodName
from facegeom_lit.geometry.spread import mean_distance

RESULTS = Path(__file__).parent / "results" / "energy.csv"
DIMENSION = 512
RUNS = 7
NEIGHBORHOODS: tuple[NeighborhoodName, ...] = ("ball", "knn", "inverse_distance")


def cloud(curves: int, attributes: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Base points of one identity that vary in eight directions, and fields that vary with them."""
    g = torch.Generator().manual_seed(0)
    place = torch.randn(curves, 8, generator=g)
    person = 2 * torch.randn(DIMENSION, generator=g)
    base = person + place @ torch.randn(8, DIMENSION, generator=g) / 8**0.5
    base = base + 0.3 * torch.randn(curves, DIMENSION, generator=g)
    fields = {}
    for index in range(attributes):
        bend = place @ torch.randn(8, DIMENSION, generator=g) / 8**0.5
        straight = torch.randn(DIMENSION, generator=g)
        fields[str(index)] = straight + bend + torch.randn(curves, DIMENSION, generator=g)
    return base, fields


def scikit_learn(base: Tensor, field: Tensor, limit: float) -> tuple[float, float]:
    """The energy in a ball as it is written with scikit-learn, and the share of neighbours."""
    x, v = base.numpy(), field.numpy()
    graph = radius_neighbors_graph(x, limit, metric="cosine", include_self=False)
    rows, columns = graph.nonzero()
    energies = paired_cosine_distances(v[rows], v[columns])
    count = np.bincount(rows, minlength=len(x))
    sums = np.bincount(rows, energies, minlength=len(x))
    energy = (sums[count > 0] / count[count > 0]).mean()
    return float(energy), len(rows) / (len(x) * (len(x) - 1))


def plain_energy(base: Tensor, field: Tensor, neighborhood: str, limit: float) -> float:
    """The energy from whole C × C matrices in float64: what the streamed one must agree with."""
    x, u = (torch.nn.functional.normalize(points.double(), dim=1) for points in (base, field))
    distances = (1 - x @ x.T).fill_diagonal_(torch.inf)
    if neighborhood == "ball":
        weights = (distances <= limit).double()
    elif neighborhood == "knn":
        nearest = distances.topk(10, dim=1, largest=False).indices
        weights = torch.zeros_like(distances).scatter_(1, nearest, 1.0)
    else:
        weights = 1 / distances
    totals = weights.sum(dim=1)
    cosines = (weights @ u * u).sum(dim=1)[totals > 0] / totals[totals > 0]
    return 1 - float(cosines.mean())


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def extra_megabytes(work: Callable[[], object]) -> float:
    """Peak of the resident size during `work` over its size before (Linux with glibc)."""
    page = os.sysconf("SC_PAGE_SIZE")
    done = threading.Event()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    # Memory that earlier work freed but the allocator kept would hide what this work takes.
    ctypes.CDLL(None).malloc_trim(0)
    before = resident()
    peak = [before]

    def watch() -> None:
        while not done.wait(0.0005):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return (peak[0] - before) / 1e6


def against_scikit_learn(radius: float) -> dict[str, object]:
    """Part 1."""
    base, fields = cloud(2000, 1)
    limit = radius * mean_distance(base)
    scikit_learn(base[:200], fields["0"][:200], limit)
    measured = attribute_energies(base, fields, radius=radius)["0"].energy
    ours = min(
        seconds(lambda: attribute_energies(base, fields, radius=radius)) for _ in range(RUNS)
    )
    start = time.perf_counter()
    expected, share = scikit_learn(base, fields["0"], limit)
    other = time.perf_counter() - start
    assert measured is not None
    return {
        "neighborhood": "ball",
        "curves": 2000,
        "attributes": 1,
        "radius": radius,
        "neighbor_share": round(share, 3),
        "against": "scikit-learn",
        "ours_s": round(ours, 4),
        "other_s": round(other, 4),
        "ratio": round(other / ours, 1),
        "required": ">= 200",
        "energy_difference": f"{abs(measured - expected):.1e}",
        "extra_mb": "",
    }


def against_bare_products(neighborhood: NeighborhoodName, radius: float) -> dict[str, object]:
    """Part 2."""
    base, fields = cloud(5000, 8)
    limit = radius * mean_distance(base)
    out = torch.empty(len(base), len(base))

    def energies() -> dict[str, float | None]:
        measured = attribute_energies(base, fields, neighborhood=neighborhood, radius=radius)
        return {name: energy.energy for name, energy in measured.items()}

    def bare() -> None:
        for points in (base, *fields.values()):
            torch.mm(points, points.T, out=out)

    memory = extra_megabytes(energies)
    measured = energies()
    bare()
    times = [(seconds(energies), seconds(bare)) for _ in range(RUNS)]
    ours, other = (min(column) for column in zip(*times, strict=True))
    differences = [
        abs((measured[name] or 0) - plain_energy(base, field, neighborhood, limit))
        for name, field in fields.items()
    ]
    return {
        "neighborhood": neighborhood,
        "curves": 5000,
        "attributes": 8,
        "radius": radius,
        "neighbor_share": "",
        "against": "1 x·xT + 8 u·uT",
        "ours_s": round(ours, 4),
        "other_s": round(other, 4),
        "ratio": round(ours / other, 3),
        "required": "<= 1.5",
        "energy_difference": f"{max(differences):.1e}",
        "extra_mb": round(memory),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Time and memory of the attribute energy.")
    parser.add_argument("--radius", type=float, default=0.6, help="of the ball (default 0.6)")
    radius = parser.parse_args().radius
    machine = {
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit_learn": sklearn.__version__,
    }
    rows = [against_scikit_learn(radius)]
    rows += [against_bare_products(name, radius) for name in NEIGHBORHOODS]
    print(*(f"{key}={value}" for key, value in machine.items()))
    print("  ".join(f"{key:>16}" for key in rows[0]))
    for row in rows:
        print("  ".join(f"{value!s:>16}" for value in row.values()))
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[*rows[0], *machine])
        writer.writeheader()
        writer.writerows(row | machine for row in rows)
    print(f"output: {RESULTS}")


if __name__ == "__main__":
    main()
