"""The energy of GEOMETRY §1 as a sentence-by-sentence loop in float64: slow, and easy to check."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def distances(base: Array, distance: str) -> Array:
    if distance == "cosine":
        unit = base / np.linalg.norm(base, axis=1, keepdims=True)
        return np.array([[1 - a @ b for b in unit] for a in unit])
    return np.array([[np.linalg.norm(a - b) for b in base] for a in base])


def mean_distance(base: Array, distance: str) -> float:
    d = distances(base, distance)
    return float(d[np.triu_indices(len(d), k=1)].mean())


def energy(
    base: Array,
    field: Array,
    *,
    distance: str,
    neighborhood: str,
    radius: float = 0.6,
    k: int = 10,
    mean: float | None = None,
    include_self: bool = False,
    keys: Array | None = None,
    max_neighbors: int = 0,
) -> tuple[float | None, int]:
    """The energy and the number of isolated curves; every displacement must have a direction.

    With `keys`, shape (C, C), a ball keeps the `max_neighbors` with the smallest ones.
    """
    d = distances(base, distance)
    mean = mean_distance(base, distance) if mean is None else mean
    u = field / np.linalg.norm(field, axis=1, keepdims=True)
    terms = []
    for c in range(len(base)):
        others = [o for o in range(len(base)) if o != c]
        weights = np.zeros(len(base))
        if neighborhood == "ball":
            for o in others + [c] * include_self:
                weights[o] = d[c, o] <= radius * mean or o == c
            if keys is not None:
                inside = sorted(np.flatnonzero(weights), key=lambda o: keys[c, o])
                weights[inside[max_neighbors:]] = 0
        elif neighborhood == "knn":
            nearest = sorted(others, key=lambda o: d[c, o])
            for o in ([c] * include_self + nearest)[:k]:
                weights[o] = 1
        else:
            for o in others:
                weights[o] = 1 / d[c, o] if d[c, o] > 1e-12 else 0
        if weights.sum() > 0:
            pair_energies = np.array([1 - u[c] @ u[o] for o in range(len(base))])
            terms.append((weights * pair_energies).sum() / weights.sum())
    return (float(np.mean(terms)) if terms else None), len(base) - len(terms)


def correlation(
    base: Array, field: Array, *, distance: str, mean: float, bins: int, reach: float
) -> tuple[Array, NDArray[np.int64]]:
    """Mean cosine and number of the pairs in each bin of distance; NaN where there is none."""
    d = distances(base, distance)
    u = field / np.linalg.norm(field, axis=1, keepdims=True)
    found: list[list[float]] = [[] for _ in range(bins)]
    for c in range(len(base)):
        for o in range(c):
            for b in range(bins):
                if d[c, o] <= (b + 1) * reach / bins * mean:
                    found[b].append(u[c] @ u[o])
                    break
    values = np.array([np.mean(cosines) if cosines else np.nan for cosines in found])
    return values, np.array([len(cosines) for cosines in found])


def order_parameter(field: Array) -> float:
    u = field / np.linalg.norm(field, axis=1, keepdims=True)
    return float(np.linalg.norm(u.mean(axis=0)))
