"""The macroscale as it is written with SciPy and scikit-learn: slow, plain, one thing at a time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.neighbors import KernelDensity

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def ks_of_modalities(positive: Floats, negative: Floats, metric: str) -> list[tuple[float, float]]:
    """Statistic and p of each modality's own distances against those across."""
    across = cdist(positive, negative, metric).ravel()
    tests = [
        stats.ks_2samp(pdist(side, metric), across, method="asymp") for side in (positive, negative)
    ]
    return [(float(test.statistic), float(test.pvalue)) for test in tests]


def intra_entropy(values: Floats, identity: Ints) -> float:
    entropies = []
    for person in np.unique(identity):
        _, counts = np.unique(values[identity == person], return_counts=True)
        entropies.append(stats.entropy(counts))
    return float(np.mean(entropies))


def inter_entropy(values: Floats, identity: Ints) -> float:
    means = [values[identity == person].mean() for person in np.unique(identity)]
    density = KernelDensity(kernel="gaussian", bandwidth=0.1).fit(np.array(means)[:, None])
    weights = np.exp(density.score_samples(np.linspace(-1, 1, 101)[:, None]))
    return float(stats.entropy(weights / weights.sum()))


def inliers(
    embeddings: Floats, identity: Ints, metric: str, k: int, fewest: int
) -> NDArray[np.bool_]:
    mask = np.zeros(len(embeddings), dtype=bool)
    for person in np.unique(identity):
        rows = np.flatnonzero(identity == person)
        if len(rows) < max(fewest, k + 1):
            continue
        pairs = pdist(embeddings[rows], metric)
        neighbours = np.sort(squareform(pairs), axis=1)[:, k]  # column 0 is the image itself
        kept = rows[neighbours < np.median(pairs)]
        if len(kept) >= fewest:
            mask[kept] = True
    return mask


def distance_correlation(points: Floats, values: Floats) -> float:
    """Bias-corrected, by the sums over the definition."""

    def centred(distances: Floats) -> Floats:
        count = len(distances)
        found = np.zeros_like(distances)
        for i, j in combinations(range(count), 2):
            found[i, j] = found[j, i] = (
                distances[i, j]
                - distances[i].sum() / (count - 2)
                - distances[:, j].sum() / (count - 2)
                + distances.sum() / ((count - 1) * (count - 2))
            )
        return found

    a = centred(squareform(pdist(points)))
    b = centred(squareform(pdist(values[:, None])))
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
