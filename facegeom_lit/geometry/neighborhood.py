"""Who counts as a neighbour of whom among base points (GEOMETRY §1; arXiv 2507.11372)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from facegeom_lit.errors import FaceGeomError

NeighborhoodName = Literal["ball", "knn", "inverse_distance"]

SLACK = 1e-6
"""Relative room at the rim of a ball: a distance equal to the radius is inside, although float32
embeddings carry it no more exactly than this."""


@dataclass(frozen=True)
class Neighborhood:
    """One of the three neighbourhoods, with its parameters.

    Attributes:
        name: `ball` (all points within a radius), `knn` (the k nearest), or `inverse_distance`
            (all others, weighted by 1/d).
        radius: Of the ball, in units of the mean distance, > 0.
        k: Of knn, ≥ 1.
        include_self: Whether a point is among its own neighbours, at distance 0, as in the
            published scripts. (Under `inverse_distance` it has weight zero either way.)
        max_neighbors: Of the ball: keep at most so many of a point's neighbours, drawn at random
            (100 in the published scripts); None: all.
        seed: Of that draw.

    Raises:
        FaceGeomError: When a value is outside its range.

    Example:
        >>> Neighborhood("ball", radius=0.6).label, Neighborhood("knn", k=5).label
        ('ball_0.6', 'knn_5')
    """

    name: NeighborhoodName = "ball"
    radius: float = 0.6
    k: int = 10
    include_self: bool = False
    max_neighbors: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in get_args(NeighborhoodName):
            raise FaceGeomError(
                f"Argument `neighborhood` must be one of {get_args(NeighborhoodName)}, got "
                f"{self.name!r}."
            )
        # From a configuration file, anything may come.
        if not (isinstance(self.radius, int | float) and 0 < self.radius < math.inf):
            raise FaceGeomError(f"Argument `radius` must be a number > 0, got {self.radius!r}.")
        if not (type(self.k) is int and self.k >= 1):
            raise FaceGeomError(f"Argument `k` must be a whole number ≥ 1, got {self.k!r}.")
        if type(self.seed) is not int:
            raise FaceGeomError(f"Argument `seed` must be a whole number, got {self.seed!r}.")
        most = self.max_neighbors
        if most is not None and (self.name != "ball" or type(most) is not int or most < 1):
            raise FaceGeomError(
                "Argument `max_neighbors` must be a whole number ≥ 1, and is for `ball` alone, "
                f"got {most!r} with {self.name!r}."
            )

    @property
    def label(self) -> str:
        """Its name in results: `ball_0.6`, `knn_10`, `inverse_distance`.

        A cap and `include_self` are added where they are set: `ball_0.6_max_100`,
        `ball_0.6_self`.
        """
        label = {
            "ball": f"ball_{self.radius:g}",
            "knn": f"knn_{self.k}",
            "inverse_distance": "inverse_distance",
        }[self.name]
        if self.max_neighbors is not None:
            label += f"_max_{self.max_neighbors}"
        return label + "_self" if self.include_self else label
