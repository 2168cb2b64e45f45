"""The minimum spanning tree of a cloud, in memory that grows with the points, not their pairs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def spanning_tree_edges(points: Points) -> NDArray[np.float64]:
    """Return the squared lengths of the edges of the Euclidean minimum spanning tree.

    They are the deaths of the connected components of the cloud's Rips filtration, so the whole
    persistence diagram in dimension 0. Prim's algorithm, which asks for the distances of one point
    at a time: O(N²·D) time, O(N) numbers beside the points. Points may coincide.

    Args:
        points: Shape (N, D), N ≥ 1.

    Returns:
        Shape (N - 1,), from the shortest to the longest.
    """
    count = len(points)
    squares = np.einsum("nd,nd->n", points, points)
    near = np.full(count, np.inf)  # squared distance of each point to the tree; inf: in the tree
    outside = np.ones(count, dtype=bool)
    edges = np.empty(count - 1)
    added = 0
    for step in range(count - 1):
        outside[added] = False
        found = points @ points[added]
        found *= -2.0
        found += squares
        found += squares[added]
        np.minimum(near, found, out=near)
        near[added] = np.inf
        added = int(np.where(outside, near, np.inf).argmin())
        edges[step] = near[added]
    return np.sort(edges.clip(min=0.0))
