"""Who is a neighbour of whom among base points (GEOMETRY §1; arXiv 2507.11372)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.pair_squares import PairSquares
from facegeom_lit.geometry.points import (
    Distance,
    blocks,
    check_distance,
    pair_distances,
    tile_size,
)

NeighborhoodName = Literal["ball", "knn", "inverse_distance"]

SLACK = 1e-6
"""Relative room at the rim of a ball: a distance equal to the radius is inside, although float32
embeddings carry it no more exactly than this."""


NEAR = 1e3
"""Distances below this many errors of a float32 square are computed exactly: 1/d magnifies."""


@dataclass(frozen=True)
class Neighborhood:
    """One of the three neighbourhoods, with its parameters.

    Attributes:
        name: `ball` (all points within a radius), `knn` (the k nearest), or `inverse_distance`
            (all others, weighted by 1/d).
        distance: The model's own distance.
        radius: Of the ball, in units of the mean distance, > 0.
        k: Of knn, ≥ 1.
        include_self: Whether a point is among its own neighbours, at distance 0.

    Raises:
        FaceGeomError: When a value is outside its range.
    """

    name: NeighborhoodName = "ball"
    distance: Distance = "cosine"
    radius: float = 0.6
    k: int = 10
    include_self: bool = False

    def __post_init__(self) -> None:
        check_distance(self.distance)
        if self.name not in get_args(NeighborhoodName):
            raise FaceGeomError(
                f"Argument `neighborhood` must be one of {get_args(NeighborhoodName)}, got "
                f"{self.name!r}."
            )
        if not self.radius > 0:
            raise FaceGeomError(f"Argument `radius` must be > 0, got {self.radius}.")
        if self.k < 1:
            raise FaceGeomError(f"Argument `k` must be at least 1, got {self.k}.")

    def weights(
        self, pairs: PairSquares, rows: slice, columns: slice, *, limit: float, zero: float
    ) -> Tensor:
        """Weights of a block of pairs, for `ball` and `inverse_distance`.

        Args:
            pairs: Of the points that `comparable` placed.
            rows: Of N points.
            columns: Of M points.
            limit: Radius of the ball, as a distance.
            zero: The distance under which two points are the same.

        Returns:
            Shape (N, M), float32, finite and ≥ 0; for `inverse_distance` up to a common factor.
            A pair of a point with itself is weighed like any duplicate: the caller decides about
            the diagonal.
        """
        if self.name == "ball":
            rim = self._square(max(limit * (1 + SLACK), zero))
            return pairs.block(rows, columns, rim, rim).le_(rim)
        same = self._square(zero)
        squares = pairs.block(rows, columns, 0.0, max(NEAR * pairs.error, same))
        # A distance of zero has weight zero: 1/inf.
        squares.masked_fill_(squares <= same, torch.inf)
        return squares.reciprocal_() if self.distance == "cosine" else squares.rsqrt_()

    def _square(self, distance: float) -> float:
        """The squared Euclidean distance of points (of length 1 for the cosine) that far apart."""
        return 2 * distance if self.distance == "cosine" else distance**2

    def nearest(self, points: Tensor) -> Tensor:
        """The k nearest other points of each point (itself first with `include_self`).

        Duplicates are told apart by index, so a point never stands in for itself. Equal
        distances at rank k are broken in an unspecified but repeatable way.

        Args:
            points: Points that `comparable` placed, shape (N, D), N ≥ 2.

        Returns:
            Indexes, shape (N, min(k, others)).
        """
        count = len(points)
        k = min(self.k, count if self.include_self else count - 1)
        own = -1.0 if self.include_self else torch.inf  # first of all, or never
        size = 2 * tile_size(points)
        chosen = []
        for rows in blocks(count, size):
            best = points.new_empty((rows.stop - rows.start, 0))
            index = best.long()
            for columns in blocks(count, size):
                distances = pair_distances(points[rows], points[columns], self.distance)
                if rows == columns:
                    distances.fill_diagonal_(own)
                seen = torch.arange(columns.start, columns.stop, device=points.device)
                best = torch.cat([best, distances], dim=1)
                index = torch.cat([index, seen.expand(len(best), -1)], dim=1)
                best, kept = best.topk(min(k, best.shape[1]), dim=1, largest=False)
                index = index.gather(1, kept)
            chosen.append(index)
        return torch.cat(chosen)
