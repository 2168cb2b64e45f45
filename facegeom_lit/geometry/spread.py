"""How far apart the embeddings of one identity are: the units of radii and responses."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.placed import Placed
from facegeom_lit.geometry.points import Distance, blocks, pair_distances

TILE = 1024
"""Rows of a block of pairs."""


def mean_distance(points: Tensor, distance: Distance = "cosine") -> float:
    """Exact mean distance over all pairs of different rows.

    For the cosine it follows from the sum of the unit vectors in O(N·D); for the Euclidean
    distance the pairs are streamed.

    Args:
        points: Embeddings, shape (N, D), N ≥ 2.
        distance: The model's own distance.

    Returns:
        A number ≥ 0, in units of that distance.

    Raises:
        FaceGeomError: With fewer than two rows, or rows that are not finite.

    Example:
        >>> mean_distance(torch.eye(3))
        1.0
    """
    _need_pairs(points)
    return placed_mean_distance(Placed(points, distance))


def placed_mean_distance(points: Placed) -> float:
    """`mean_distance` of placed points, N ≥ 2."""
    count = len(points)
    pairs = count * (count - 1)
    if points.distance == "cosine":
        cosines = float(points.centre.square().sum()) * count**2 - count
        return max(1.0 - cosines / pairs, 0.0)
    total = torch.zeros((), dtype=torch.float64, device=points.device)
    rows = blocks(count, TILE)
    for i, first in enumerate(rows):
        left = points.at(first)
        for second in rows[i:]:
            if first == second:
                total += pair_distances(left, left, "euclidean").fill_diagonal_(0.0).sum()
            else:
                total += 2.0 * pair_distances(left, points.at(second), "euclidean").sum()
    return float(total) / pairs


def sampled_mean_distance(
    points: Tensor, distance: Distance = "cosine", pairs: int = 10_000, seed: int = 0
) -> float:
    """Mean distance of random pairs of rows, as the scripts of arXiv 2507.11372 estimate it.

    Like theirs, an index may meet itself, with distance 0.

    Args:
        points: Embeddings, shape (N, D), N ≥ 2.
        distance: The model's own distance.
        pairs: How many index pairs are drawn.
        seed: Of the draw.

    Raises:
        FaceGeomError: With fewer than two rows, or rows that are not finite.
    """
    _need_pairs(points)
    placed = Placed(points, distance)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(points), (2, pairs), generator=generator).to(points.device)
    total = 0.0
    for part in blocks(pairs, TILE):
        gaps = placed.at(drawn[0, part]).sub_(placed.at(drawn[1, part]))
        squares = gaps.square_().sum(dim=1)
        total += float((squares / 2 if distance == "cosine" else squares.sqrt()).sum())
    return total / pairs


def identity_spread(points: Tensor) -> float:
    """Root-mean-square Euclidean distance over all pairs of different rows, in O(N·D).

    Normalise the rows first where the model is compared by cosine.

    Args:
        points: Embeddings of one identity, shape (N, D), N ≥ 2.

    Raises:
        FaceGeomError: With fewer than two rows, or rows that are not finite.

    Example:
        >>> identity_spread(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
        5.0
    """
    _need_pairs(points)
    centred = Placed(points, "euclidean", "points")
    total = torch.zeros((), dtype=torch.float64, device=points.device)
    for rows in blocks(len(points), TILE):
        total += centred.at(rows).square_().sum()
    # Σ_{i<j} |x_i − x_j|² = N · Σ |x_i − mean|²
    return float((2.0 * total / (len(points) - 1)).sqrt())


def _need_pairs(points: Tensor) -> None:
    if len(points) < 2:
        raise FaceGeomError(f"A mean over pairs needs at least 2 embeddings, got {len(points)}.")
