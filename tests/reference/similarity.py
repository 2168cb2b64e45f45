"""Similarity of two spaces and gallery searches, as papers write them: whole matrices, loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.reference import verification

Array = NDArray[np.float64]


def unbiased_hsic(k: Array, m: Array) -> float:
    """Song et al. (JMLR 2012), eq. 5, of two Gram matrices (n, n)."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    trace = np.trace(k @ m)
    total = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float(trace + total - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def debiased_cka(x: Array, y: Array) -> float:
    k, m = x @ x.T, y @ y.T
    return unbiased_hsic(k, m) / np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(m, m))


def distances(x: Array, y: Array, distance: str) -> Array:
    if distance == "cosine":
        x, y = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (x, y))
        return 1 - x @ y.T
    return np.linalg.norm(x[:, None] - y[None], axis=2)


def mutual_knn(
    x: Array, y: Array, people: NDArray[np.int64], k: int, kinds: tuple[str, str]
) -> float:
    """Row by row: sort all images of other people by distance, take k, intersect."""
    shares = []
    both = [distances(a, a, kind) for a, kind in zip((x, y), kinds, strict=True)]
    for i, person in enumerate(people):
        others = np.flatnonzero(people != person)
        named = [set(others[np.argsort(d[i, others])[:k]]) for d in both]
        shares.append(len(named[0] & named[1]) / k)
    return float(np.mean(shares))


def search(
    scores: Array,
    own: NDArray[np.int64],
    out: NDArray[np.bool_],
    weights: NDArray[np.int64],
    far: float,
    fpir: float,
) -> dict[str, float]:
    """Figures of a gallery search where person c, in column c, was drawn `weights[c]` times.

    Args:
        scores: Probes against the gallery, (P, G).
        own: Column of each probe's own person, (P,).
        out: Which people the open-set gallery does not hold, (G,).
        weights: Copies of each person, (G,).
        far: A false accept rate.
        fpir: A false positive identification rate.
    """
    genuine, impostor, hits, strangers = [], [], [], []
    mated: list[tuple[float, bool]] = []
    for row, mine in zip(scores, own, strict=True):
        times = weights[mine]
        others = np.delete(row, mine)
        hits += [bool((others < row[mine]).all())] * times
        genuine += [row[mine]] * times
        impostor += list(np.repeat(others, np.delete(weights, mine) * times))
        if out[mine]:
            strangers += [row[~out].max()] * times
        else:
            rivals = row[~out & (np.arange(len(row)) != mine)]
            mated += [(row[mine], bool((rivals < row[mine]).all()))] * times
    threshold = np.sort(strangers)[::-1][int(fpir * len(strangers) + 1e-9)]
    a, b = np.array(genuine), np.array(impostor)
    return {
        "rank1": float(np.mean(hits)),
        "tpir": float(np.mean([first and score > threshold for score, first in mated])),
        "tar": _tar(a, b, far),
        "eer": verification.eer(a, b),
        "auc": verification.auc(a, b),
    }


def _tar(genuine: Array, impostor: Array, far: float) -> float:
    threshold = np.sort(impostor)[::-1][int(far * len(impostor) + 1e-9)]
    return float((genuine > threshold).mean())
