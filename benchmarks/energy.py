"""Time and memory of the microscale geometry against what a user would write instead.

    python benchmarks/energy.py [--large] [--device cuda]

1. `scikit-learn`: the energy in one ball, 2,000 curves × 512 dimensions, against a radius-neighbour
   graph and paired cosine distances over its pairs. That time grows with the share of pairs that
   are neighbours, which is printed.
2. `1 x·xT + 8 u·uT`: 8 attributes at 5,000 shared base points, in each neighbourhood and in all of
   them, against the bare matrix products: one of the base points and one of each field.
3. `x·xT + u·uT`: the cost table. All that one pass gives (four balls, two k-nearest, inverse
   distance, correlation function, order parameter) for one attribute, against the two bare
   products, from 1,000 to 50,000 curves (`--large`: 100,000) of 512 and of 128 dimensions.
4. One identity of the default validation: 16 curves × 8 attributes, all neighbourhoods; and its
   null of 20 permutations.

Products are float32, whole, and into memory that already stands: block by block where more than
10⁸ of them would not fit. Both sides run in turn in one process on the same threads
(OMP_NUM_THREADS sets how many); times are the best of the runs. Extra memory is the peak of the
resident size over what the inputs take (on a GPU: of allocated memory). `difference` is the largest
difference of any energy or correlation from whole matrices in float64 (or scikit-learn), where
those fit. Writes benchmarks/results/energy.csv.
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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.metrics.pairwise import paired_cosine_distances
from sklearn.neighbors import radius_neighbors_graph
from torch import Tensor

from facegeom_lit.geometry.microscale import FieldGeometry, field_geometries
from facegeom_lit.geometry.neighborhood import Neighborhood
from facegeom_lit.geometry.null import null_energies
from facegeom_lit.geometry.spread import mean_distance

RESULTS = Path(__file__).parent / "results" / "energy.csv"
RULES = (
    *(Neighborhood("ball", radius=radius) for radius in (0.4, 0.6, 0.8, 1.0)),
    *(Neighborhood("knn", k=k) for k in (10, 5)),
    Neighborhood("inverse_distance"),
)
CELLS = 10**8
"""Products that a bare block holds."""


def cloud(curves: int, attributes: int, dimension: int = 512) -> tuple[Tensor, dict[str, Tensor]]:
    """Base points of one identity that vary in eight directions, and fields that vary with them."""
    g = torch.Generator().manual_seed(0)
    place = torch.randn(curves, 8, generator=g)
    person = 2 * torch.randn(dimension, generator=g)
    base = person + place @ torch.randn(8, dimension, generator=g) / 8**0.5
    base += 0.3 * torch.randn(curves, dimension, generator=g)
    fields = {}
    for index in range(attributes):
        bend = place @ torch.randn(8, dimension, generator=g) / 8**0.5
        straight = torch.randn(dimension, generator=g)
        fields[str(index)] = torch.randn(curves, dimension, generator=g).add_(bend).add_(straight)
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


def plain(base: Tensor, field: Tensor, rules: Sequence[Neighborhood]) -> dict[str, Tensor]:
    """Energies and correlation from whole C × C matrices in float64: what must come out."""
    x, u = (torch.nn.functional.normalize(points.double(), dim=1) for points in (base, field))
    distances = 1 - x @ x.T
    cosines = u @ u.T
    first, second = torch.triu_indices(len(x), len(x), 1)
    apart, together = distances[first, second], cosines[first, second]
    unit = apart.mean()
    found = {}
    distances.fill_diagonal_(torch.inf)
    for rule in rules:
        if rule.name == "ball":
            weights = (distances <= rule.radius * unit).double()
        elif rule.name == "knn":
            nearest = distances.topk(rule.k, dim=1, largest=False).indices
            weights = torch.zeros_like(distances).scatter_(1, nearest, 1.0)
        else:
            weights = 1 / distances
        totals = weights.sum(dim=1)
        means = weights.mul_(cosines).sum(dim=1)[totals > 0] / totals[totals > 0]
        found[rule.label] = 1 - means.mean()
    places = torch.bucketize(apart / unit, torch.linspace(0, 2, 21, dtype=torch.float64)) - 1
    counts = torch.bincount(places.clamp_(0, 20), minlength=21)
    found["correlation"] = (torch.bincount(places, together, minlength=21) / counts)[:20]
    return found


def difference(measured: FieldGeometry, expected: Mapping[str, Tensor]) -> float:
    """Largest difference of any number."""
    gaps = [
        abs(float("nan" if energy.energy is None else energy.energy) - float(expected[label]))
        for label, energy in measured.energies.items()
    ]
    correlation = (measured.correlation - expected["correlation"]).abs()
    return max(*gaps, float(correlation.nan_to_num(nan=0.0).max()))


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def watched(work: Callable[[], object], device: str) -> tuple[float, float]:
    """Wall time of one run, and the megabytes it took on top (Linux with glibc, or CUDA)."""
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        taken = seconds(work)
        return taken, (torch.cuda.max_memory_allocated() - held) / 1e6
    page = os.sysconf("SC_PAGE_SIZE")
    done = threading.Event()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    # Memory that earlier work freed but the allocator kept would hide what this work takes.
    ctypes.CDLL(None).malloc_trim(0)
    before = resident()
    peak = [before]

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    taken = seconds(work)
    done.set()
    watcher.join()
    return taken, (peak[0] - before) / 1e6


def bare_products(several: Sequence[Tensor]) -> Callable[[], None]:
    """All products of all rows of each of these, into memory that already stands."""
    count = len(several[0])
    rows = max(min(CELLS // count, count), 1)
    out = several[0].new_empty(rows, count)

    def work() -> None:
        for points in several:
            for part in points.split(rows):
                torch.mm(part, points.T, out=out[: len(part)])

    return work


def against_scikit_learn(radius: float = 0.6) -> dict[str, object]:
    """Part 1."""
    base, fields = cloud(2000, 1)
    limit = radius * mean_distance(base)
    rules = [Neighborhood("ball", radius=radius)]

    def ours() -> FieldGeometry:
        return field_geometries(base, fields, rules)["0"]

    scikit_learn(base[:200], fields["0"][:200], limit)
    measured = ours().energies[rules[0].label].energy
    taken = min(seconds(ours) for _ in range(7))
    start = time.perf_counter()
    expected, share = scikit_learn(base, fields["0"], limit)
    other = time.perf_counter() - start
    assert measured is not None
    return {
        "what": f"{rules[0].label} ({share:.0%} neighbours)",
        "curves": 2000,
        "dimension": 512,
        "attributes": 1,
        "against": "scikit-learn",
        "ours_s": round(taken, 4),
        "other_s": round(other, 4),
        "ratio": round(other / taken, 1),
        "required": ">= 200",
        "difference": f"{abs(measured - expected):.1e}",
        "extra_mb": "",
    }


def against_bare_products(
    what: str,
    rules: Sequence[Neighborhood],
    curves: int,
    attributes: int,
    dimension: int,
    device: str,
    checked: bool = False,
) -> dict[str, object]:
    """Parts 2 and 3."""
    base, fields = cloud(curves, attributes, dimension)
    base, fields = base.to(device), {name: field.to(device) for name, field in fields.items()}
    found: dict[str, FieldGeometry] = {}

    def ours() -> None:
        found.update(field_geometries(base, fields, rules))

    small = base[:1000], {name: field[:1000] for name, field in fields.items()}
    field_geometries(*small, rules)
    bare = bare_products([base, *fields.values()])
    taken, memory = watched(ours, device)
    times = [(taken, seconds(bare))]
    # Best of up to seven; one of those that take half a minute.
    for _ in range(min(6, int(8 / sum(times[0])))):
        times.append((seconds(ours), seconds(bare)))
    mine, other = (min(column) for column in zip(*times, strict=True))
    gap = ""
    if checked:
        names = list(fields)[:2]
        gaps = [
            difference(found[name], plain(base.cpu(), fields[name].cpu(), rules)) for name in names
        ]
        gap = f"{max(gaps):.1e}"
    several = attributes > 1
    # Of several attributes the bare products share nothing, and the sums of each are still ours.
    required = "<= 1" if len(fields) == 1 else "<= 1.5"
    return {
        "what": what,
        "curves": curves,
        "dimension": dimension,
        "attributes": attributes,
        "against": f"1 x·xT + {attributes} u·uT" if several else "x·xT + u·uT",
        "ours_s": round(mine, 4),
        "other_s": round(other, 4),
        "ratio": round(mine / other, 3),
        "required": required if 5000 <= curves <= 50_000 and dimension == 512 else "",
        "difference": gap,
        "extra_mb": round(memory),
    }


def one_identity(device: str) -> list[dict[str, object]]:
    """Part 4."""
    base, fields = cloud(16, 8)
    base, fields = base.to(device), {name: field.to(device) for name, field in fields.items()}
    unit = mean_distance(base)
    works: dict[str, Callable[[], object]] = {
        "all, one identity": lambda: field_geometries(base, fields, RULES, mean_distance=unit),
        "null of 20, one identity": lambda: null_energies(base, fields, RULES[1], 20),
    }
    rows = []
    for what, work in works.items():
        work()
        taken = min(seconds(work) for _ in range(100))
        row: dict[str, object] = {"what": what, "curves": 16, "dimension": 512, "attributes": 8}
        empty = dict.fromkeys(("other_s", "ratio", "required", "difference", "extra_mb"), "")
        rows.append(row | {"against": "", "ours_s": round(taken, 5)} | empty)
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Time and memory of the microscale geometry.")
    parser.add_argument("--large", action="store_true", help="also 100,000 curves (minutes)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--most", type=int, default=50_000, help="curves at most (default 50000)")
    options = parser.parse_args()
    device = options.device
    machine = {
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "machine": platform.machine() if device == "cpu" else torch.cuda.get_device_name(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit_learn": sklearn.__version__,
    }
    print(*(f"{key}={value}" for key, value in machine.items()))
    rows: list[dict[str, object]] = []

    def add(row: dict[str, object]) -> None:
        if not rows:
            print("  ".join(f"{key:>24}" if key == "what" else f"{key:>11}" for key in row))
        rows.append(row)
        cells = (f"{v!s:>24}" if k == "what" else f"{v!s:>11}" for k, v in row.items())
        print("  ".join(cells), flush=True)

    add(against_scikit_learn())
    groups = {name: [rule for rule in RULES if rule.name == name] for name in ("ball", "knn")}
    groups = {"four balls": groups["ball"], "two k-nearest": groups["knn"]}
    groups |= {"inverse distance": [RULES[-1]], "all": list(RULES)}
    for what, rules in groups.items():
        add(against_bare_products(what, rules, 5000, 8, 512, device, checked=what == "all"))
    sizes = [1000, 2000, 5000, 10_000, 20_000, 50_000] + [100_000] * options.large
    for curves in sizes:
        if curves <= max(options.most, 100_000 * options.large):
            add(against_bare_products("all", RULES, curves, 1, 512, device, curves <= 5000))
    for curves in (1000, 5000, 20_000):
        add(against_bare_products("all", RULES, curves, 1, 128, device, curves <= 5000))
    for row in one_identity(device):
        add(row)
    RESULTS.parent.mkdir(exist_ok=True)
    path = RESULTS if device == "cpu" else RESULTS.with_name(f"energy_{device}.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[*rows[0], *machine])
        writer.writeheader()
        writer.writerows(row | machine for row in rows)
    print(f"output: {path}")


if __name__ == "__main__":
    main()
