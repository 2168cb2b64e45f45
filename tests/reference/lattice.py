"""The rest of GEOMETRY §1 as sentence-by-sentence loops in float64: slow, and easy to check."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tests.reference.energy import distances

Array = NDArray[np.float64]


def unit(vectors: Array) -> Array:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def spread(images: Array) -> float:
    squares = [
        np.sum((a - b) ** 2) for i, a in enumerate(images) for j, b in enumerate(images) if i < j
    ]
    return math.sqrt(np.mean(squares))


def order(field: Array) -> float:
    return float(np.linalg.norm(unit(field).mean(axis=0)))


def correlation(
    base: Array, field: Array, distance: str, mean: float, bins: int, reach: float
) -> tuple[list[float], list[int]]:
    d, u = distances(base, distance), unit(field)
    found: list[list[float]] = [[] for _ in range(bins)]
    for i in range(len(base)):
        for j in range(i):
            place = math.floor(d[i, j] / (reach * mean) * bins)
            if place < bins:
                found[place].append(float(u[i] @ u[j]))
    return [float(np.mean(f)) if f else math.nan for f in found], [len(f) for f in found]


def correlation_length(values: list[float], reach: float) -> float | None:
    width = reach / len(values)
    known = [((i + 0.5) * width, c) for i, c in enumerate(values) if not math.isnan(c)]
    if not known or known[0][1] <= 0:
        return None
    target = known[0][1] / math.e
    for (r0, c0), (r1, c1) in pairwise(known):
        if c1 < target:
            return r0 + (c0 - target) / (c0 - c1) * (r1 - r0)
    return None


def leakage(field: Array, centres: Array, own: int, distance: str) -> float:
    d = distances(centres, distance)[own]
    d[own] = np.inf
    toward = unit(centres[np.argmin(d)] - centres[own])
    return float(np.mean([abs(v @ toward) for v in unit(field)]))


def interaction(first: Array, second: Array) -> float:
    pairs = zip(unit(first), unit(second), strict=True)
    return float(np.mean([1 - a @ b for a, b in pairs]))
