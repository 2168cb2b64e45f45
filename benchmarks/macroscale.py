"""Time of the macroscale table against what a user would write with SciPy and scikit-learn.

    python benchmarks/macroscale.py [--images 6000 200000]

40 binary attributes, 20 images a person, 512 dimensions, one image each of up to 500 people with
and 500 without an attribute, drawn once. The plain formulation: `pdist`, `cdist` and `ks_2samp`
for each attribute, `KernelDensity` for the people's means, loops over people for the entropy of
their values and for drawing an image of each. Then it is handed the very images that ours drew, so
that results can be compared. No intervals, no null, no probes: it has none.

Both sides run in one process on the same threads (OMP_NUM_THREADS sets how many). Ours is the best
of five runs, the plain one is one run after a small one. Writes benchmarks/results/macroscale.csv.
"""

from __future__ import annotations

import argparse
import csv
import os

# On a busy machine threads that wait by spinning take the cores from those that compute.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy
import sklearn
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import cdist, pdist
from sklearn.neighbors import KernelDensity
from torch import Tensor

from facegeom_lit.geometry.macroscale import Macroscale, macroscale_table
from facegeom_lit.geometry.macroscale.people import People
from facegeom_lit.geometry.macroscale.sampling import Modality

RESULTS = Path(__file__).parent / "results" / "macroscale.csv"
ATTRIBUTES, DIMENSION, IMAGES_EACH, SAMPLED = 40, 512, 20, 500
RUNS = 5
FIGURES = ("ks_positive", "p_positive", "ks_negative", "p_negative", "intra", "inter")


def faces(images: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Embeddings, identities and attributes from rare to common, from fixed to fickle."""
    g = torch.Generator().manual_seed(0)
    people = images // IMAGES_EACH
    identity = torch.randint(people, (images,), generator=g)
    axes = torch.randn(ATTRIBUTES, DIMENSION, generator=g) / DIMENSION**0.5
    lasting = torch.randn(people, ATTRIBUTES, generator=g)
    passing = torch.randn(images, ATTRIBUTES, generator=g) * torch.linspace(0.1, 2, ATTRIBUTES)
    rarity = torch.linspace(-1, 1, ATTRIBUTES)
    values = torch.where(lasting[identity] + passing > rarity, 1.0, -1.0)
    embeddings = torch.randn(people, DIMENSION, generator=g)[identity] / DIMENSION**0.5
    embeddings += 0.3 * torch.randn(images, DIMENSION, generator=g) / DIMENSION**0.5
    embeddings += 0.3 * values @ axes
    return embeddings, identity, {str(index): values[:, index] for index in range(ATTRIBUTES)}


def drawn(identity: Tensor, attributes: Mapping[str, Tensor]) -> list[list[NDArray[np.int64]]]:
    """Rows that the table's first draw takes, with and without each attribute."""
    people = People.of(identity)
    rows = []
    for values in attributes.values():
        sides = [Modality(people, (values > 0)[people.order] == side) for side in (True, False)]
        count = min(SAMPLED, *(side.identities for side in sides))
        generator = torch.Generator().manual_seed(0)
        rows.append([side.draw(count, generator).numpy() for side in sides])
    return rows


def plain_draw(
    positive: NDArray[np.bool_], images_of: Sequence[NDArray[np.int64]]
) -> list[NDArray[np.int64]]:
    """One image of each of at most `SAMPLED` people with an attribute, and of as many without."""
    draw = np.random.default_rng(0)
    pools = [[images[positive[images] == side] for images in images_of] for side in (True, False)]
    pools = [[images for images in pool if len(images)] for pool in pools]
    count = min(SAMPLED, *map(len, pools))
    return [
        np.array([draw.choice(pool[i]) for i in draw.permutation(len(pool))[:count]])
        for pool in pools
    ]


def plain(
    embeddings: NDArray[np.float32],
    identity: NDArray[np.int64],
    attributes: Sequence[NDArray[np.float32]],
    rows: Sequence[Sequence[NDArray[np.int64]]],
) -> NDArray[np.float64]:
    """The table as it is written with SciPy and scikit-learn, (A, 6)."""
    order = np.argsort(identity, kind="stable")
    images_of = np.split(order, np.flatnonzero(np.diff(identity[order])) + 1)
    grid = np.linspace(-1, 1, 101)[:, None]
    table = []
    for values, (with_it, without) in zip(attributes, rows, strict=True):
        plain_draw(values > 0, images_of)
        positive, negative = embeddings[with_it], embeddings[without]
        across = cdist(positive, negative, "cosine").ravel()
        row: list[float] = []
        for side in (positive, negative):
            test = stats.ks_2samp(pdist(side, "cosine"), across, method="asymp")
            row += [test.statistic, test.pvalue]
        entropies, means = [], []
        for images in images_of:
            own = values[images]
            entropies.append(stats.entropy(np.unique(own, return_counts=True)[1]))
            means.append(own.mean())
        density = KernelDensity(kernel="gaussian", bandwidth=0.1).fit(np.array(means)[:, None])
        weights = np.exp(density.score_samples(grid))
        table.append([*row, np.mean(entropies), stats.entropy(weights / weights.sum())])
    return np.array(table)


def ours(embeddings: Tensor, identity: Tensor, attributes: Mapping[str, Tensor]) -> Macroscale:
    """The same figures."""
    return macroscale_table(embeddings, identity, attributes, draws=1, null=False, bootstrap=0)


def figures(table: Macroscale) -> NDArray[np.float64]:
    """The table's figures in the order of `plain`'s, (A, 6)."""
    names = (name if "_" in name else f"{name}_entropy" for name in FIGURES)
    return torch.stack([table.figures(name) for name in names], dim=1).numpy()


def compare(images: int) -> dict[str, object]:
    """Run both sides on one set."""
    embeddings, identity, attributes = faces(images)
    rows = drawn(identity, attributes)
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        table = ours(embeddings, identity, attributes)
        times.append(time.perf_counter() - start)
    arrays = embeddings.numpy(), identity.numpy(), [v.numpy() for v in attributes.values()]
    plain(arrays[0], arrays[1], arrays[2][:1], rows[:1])
    start = time.perf_counter()
    expected = plain(*arrays, rows)
    other = time.perf_counter() - start
    differences = np.abs(figures(table) - expected).max(axis=0)
    return {
        "images": images,
        "people": table.identities,
        "attributes": ATTRIBUTES,
        "dimension": DIMENSION,
        "sampled": min(row.sampled for row in table.rows),
        "sampled_most": max(row.sampled for row in table.rows),
        "ours_s": round(min(times), 3),
        "plain_s": round(other, 2),
        "ratio": round(other / min(times), 1),
        "required": ">= 10",
        **{
            f"{name}_difference": f"{difference:.1e}"
            for name, difference in zip(FIGURES, differences, strict=True)
        },
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="Time of the macroscale table.")
    parser.add_argument("--images", type=int, nargs="+", default=[6_000, 60_000, 200_000])
    sizes = parser.parse_args().images
    machine = {
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scipy": scipy.__version__,
        "scikit_learn": sklearn.__version__,
    }
    print(*(f"{key}={value}" for key, value in machine.items()))
    rows = []
    for images in sizes:
        rows.append(compare(images))
        print("  ".join(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[*rows[0], *machine])
        writer.writeheader()
        writer.writerows(row | machine for row in rows)
    print(f"output: {RESULTS}")


if __name__ == "__main__":
    main()
