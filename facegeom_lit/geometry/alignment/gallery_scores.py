"""Every probe against every gallery image, as scores that are held or made anew, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import (
    Distance,
    blocks,
    check_distance,
    check_points,
    comparable,
    lengths,
    normalized,
)
from facegeom_lit.geometry.verification import block_scores

TILE = 2**22
"""Scores of a tile: 32 MiB in float64."""

HELD = 2**26
"""Up to so many scores are kept for all passes: 256 MiB. More are made anew for each."""


class GalleryScores:
    """Scores of mapped probes in a gallery that holds one image of each person.

    Products are taken in float64 and rounded to float32, so that equal images score equally. A
    probe of length zero, as a degenerate map gives, has no direction: its cosine with everything is
    taken as 0, so it ties with everybody and is never found. In the gallery that is an error.

    Args:
        probes: Shape (P, D), raw.
        gallery: Shape (G, D), raw.
        own: Column of each probe's own person, shape (P,).
        distance: The distance of the space in which the gallery lives.

    Raises:
        FaceGeomError: When rows are not finite, dimensions differ, or a gallery image has length
            zero where a cosine is asked for.

    Example:
        >>> scores = GalleryScores(torch.eye(2), torch.eye(2), torch.arange(2), "cosine")
        >>> list(scores.genuine()), list(scores.impostor())
        ([tensor([1., 1.])], [tensor([0., 0.])])
    """

    def __init__(self, probes: Tensor, gallery: Tensor, own: Tensor, distance: Distance) -> None:
        check_distance(distance)
        check_points("probes", probes)
        check_points("gallery", gallery)
        if probes.shape[1] != gallery.shape[1]:
            raise FaceGeomError(
                f"Probes must live in the gallery's space of {gallery.shape[1]} dimensions, got "
                f"{probes.shape[1]}. Map them with a map to that model first."
            )
        self.distance: Distance = distance
        self.own = own.to(gallery.device)
        self._probes, self._gallery = (
            probes.to(gallery.device),
            comparable(gallery, distance, "gallery"),
        )
        self._mean = gallery.double().mean(dim=0)
        self.genuine_count = len(probes)
        self.impostor_count = len(probes) * (len(gallery) - 1)
        self.reach = 1.0
        if distance == "euclidean":
            self.reach = float(lengths(probes).max()) + float(lengths(gallery).max())
        self._parts = blocks(len(probes), max(TILE // len(gallery), 1))
        small = len(probes) * len(gallery) <= HELD
        self._held = [self._scored(rows) for rows in self._parts] if small else None

    def tiles(self) -> Iterator[tuple[slice, Tensor]]:
        """Rows, and their scores against the whole gallery, (B, G), float32."""
        for index, rows in enumerate(self._parts):
            yield rows, self._scored(rows) if self._held is None else self._held[index]

    def genuine(self) -> Iterator[Tensor]:
        """Scores of the probes against their own people's images."""
        for rows, scores in self.tiles():
            yield scores.gather(1, self.own[rows].unsqueeze(1)).squeeze(1)

    def impostor(self) -> Iterator[Tensor]:
        """Scores of the probes against everybody else's."""
        for rows, scores in self.tiles():
            yield scores[self.others(rows)]

    def others(self, rows: slice) -> Tensor:
        """Which pairs of some probes are impostors, bool (B, G)."""
        columns = torch.arange(len(self._gallery), device=self.own.device)
        return columns != self.own[rows].unsqueeze(1)

    def _scored(self, rows: slice) -> Tensor:
        probes = self._probes[rows].double()
        placed = normalized(probes) if self.distance == "cosine" else probes - self._mean
        return block_scores(placed, self._gallery, self.distance)
