"""Whether two models name the same nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.moments import check_pairs
from facegeom_lit.geometry.points import Distance, blocks, comparable, tile_size
from facegeom_lit.geometry.verification import block_scores


def mutual_knn(
    first: Tensor,
    second: Tensor,
    labels: Tensor | None = None,
    *,
    k: int = 10,
    distances: tuple[Distance, Distance] = ("cosine", "cosine"),
) -> float:
    """Mutual k-nearest-neighbour alignment (Huh et al., ICML 2024).

    The mean share of an image's k nearest neighbours that both models name. The images of one's own
    person are left out: every model that recognises faces names them first, so with them the index
    would say no more than that both do. What is left is whom a face resembles.

    Args:
        first: Embeddings of the one model, shape (N, p), raw.
        second: Embeddings of the other of the same images, shape (N, q), raw.
        labels: Identity of each row, shape (N,); None: only the image itself is left out.
        k: How many neighbours.
        distances: Each model's own distance.

    Returns:
        In [0, 1]; unrelated models share k / (N − 1) in the mean, a little more with `labels`.

    Raises:
        FaceGeomError: When rows are not finite or not paired, or there are fewer than k images of
            other people.

    Example:
        >>> points = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        >>> mutual_knn(points, points.flip(1))
        1.0
    """
    check_pairs(first, second, labels)
    people = torch.arange(len(first)) if labels is None else labels
    lists = [
        Neighbors(comparable(points, distance), people, distance).nearest(k)
        for points, distance in zip((first, second), distances, strict=True)
    ]
    return shared(*lists)


def shared(first: Tensor, second: Tensor) -> float:
    """Mean share of equal entries of two lists of neighbours, each (N, k)."""
    common = sum(int((first == second[:, [place]]).sum()) for place in range(second.shape[1]))
    return common / first.numel()


@dataclass(frozen=True)
class Neighbors:
    """Points among which neighbours are looked for.

    Attributes:
        points: As `comparable` placed them, (N, D).
        people: Identity of each, (N,), whose own images are no neighbours.
        distance: The model's own distance.
    """

    points: Tensor
    people: Tensor
    distance: Distance

    def nearest(self, k: int, rows: Tensor | None = None, among: Tensor | None = None) -> Tensor:
        """Row numbers of the k nearest images of other people, nearest first.

        Args:
            k: How many.
            rows: Whose neighbours, shape (M,); None: everybody's.
            among: Which rows count as neighbours, bool (N,); None: all.

        Returns:
            Shape (M, k), on the CPU.

        Raises:
            FaceGeomError: When there are fewer than k images of other people.
        """
        people = self.people.to(self.points.device)
        rows = torch.arange(len(people)) if rows is None else rows
        others = torch.ones(len(people), dtype=torch.bool) if among is None else among
        check_neighbors(k, self.people, others)
        others, found = others.to(people.device), []
        for part in blocks(len(rows), tile_size(self.points)):
            here = rows[part].to(people.device)
            scores = block_scores(self.points[here], self.points, self.distance)
            scores.masked_fill_((people[here].unsqueeze(1) == people) | ~others, -torch.inf)
            found.append(scores.topk(k, dim=1).indices.cpu())
        return torch.cat(found)


def check_neighbors(k: int, people: Tensor, among: Tensor) -> None:
    """Raise FaceGeomError unless everybody has k neighbours."""
    available = fewest_neighbors(people, among)
    if not 1 <= k <= available:
        raise FaceGeomError(
            f"Argument `k` must lie between 1 and {available}, the fewest images of other people "
            f"that an image has, got {k}."
        )


def fewest_neighbors(people: Tensor, among: Tensor) -> int:
    """The fewest images of other people, of those that count, that an image has."""
    counts = people[among.to(people.device)].unique(return_counts=True)[1]
    return int(counts.sum() - counts.max()) if len(counts) else 0
