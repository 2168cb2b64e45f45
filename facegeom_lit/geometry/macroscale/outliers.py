"""Images that lie too far from the other images of their person."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.people import People
from facegeom_lit.geometry.points import Distance, check_points, comparable, pair_distances

FLOATS = 1 << 24
"""Numbers that a batch of identities may hold at once."""


@dataclass(frozen=True)
class Inliers:
    """What is kept.

    Args:
        mask: Whether each image is kept, shape (N,), bool.
        outliers: Images that lie too far from the others of their person.
        small: Further images, of people who have too few.
        people: Identities before.
        people_kept: Identities that are left.
    """

    mask: Tensor
    outliers: int
    small: int
    people: int
    people_kept: int


def find_inliers(
    embeddings: Tensor,
    identity: Tensor,
    *,
    distance: Distance = "cosine",
    k: int = 1,
    fewest: int = 2,
) -> Inliers:
    """Leave out outlying images, then people with too few.

    An image is kept whose distance to its k-th nearest other image of the person is below the
    median distance of the person's pairs of images. An identity of fewer than `fewest` images is
    not looked at; one that keeps fewer goes as well.

    (The published script takes k = 1 and 25 images, and its median over the whole matrix of
    distances, in which every pair stands twice and every image also has the distance 0 to
    itself.)

    Args:
        embeddings: Raw embeddings, shape (N, D).
        identity: Integer identity of each image, shape (N,).
        distance: The model's own distance.
        k: Which neighbour, ≥ 1; an image with fewer others is left out.
        fewest: Images that an identity needs, ≥ 2.

    Raises:
        FaceGeomError: When an argument is out of range or embeddings are not finite.

    Source: arXiv 2507.11372; its code, `scripts/face/postprocessing.py`.
    """
    check_points("embeddings", embeddings)
    if k < 1 or fewest < 2 or identity.shape != embeddings.shape[:1]:
        raise FaceGeomError(
            f"`k` must be at least 1, `fewest` at least 2, and `identity` must name one for each "
            f"of {len(embeddings)} images; got {k}, {fewest} and shape {tuple(identity.shape)}."
        )
    people = People.of(identity.to(embeddings.device))
    sizes = people.ends.diff(prepend=people.ends.new_zeros(1))
    starts = people.ends - sizes
    mask = torch.zeros(len(embeddings), dtype=torch.bool, device=embeddings.device)
    # People with equally many images are one batch.
    for size in sizes[sizes >= fewest].unique().tolist():
        first = starts[sizes == size]
        rows = people.order[first[:, None] + torch.arange(size, device=first.device)]
        at_once = max(FLOATS // (size * max(size, embeddings.shape[1])), 1)
        for batch in rows.split(at_once):
            mask[batch] = _close(embeddings[batch], distance, k)
    outliers = int(sizes[sizes >= fewest].sum() - mask.sum())
    kept = people.sums(mask[people.order])
    enough = kept >= fewest
    mask[people.order] &= enough[people.owner]
    return Inliers(
        mask,
        outliers,
        len(mask) - outliers - int(mask.sum()),
        people.count,
        int(enough.sum()),
    )


def _close(images: Tensor, distance: Distance, k: int) -> Tensor:
    """Whether each image is near its k-th neighbour: (G, n, D) → (G, n)."""
    groups, size, _ = images.shape
    if size <= k:
        return torch.zeros(groups, size, dtype=torch.bool, device=images.device)
    placed = comparable(images.flatten(0, 1), distance).view(images.shape)
    apart = torch.stack([pair_distances(points, points, distance) for points in placed])
    apart = torch.maximum(apart, apart.mT)  # a pair is as far from both ends, to the last digit
    rows, columns = torch.triu_indices(size, size, 1, device=images.device)
    pairs = apart[:, rows, columns].sort(dim=1).values
    count = pairs.shape[1]
    median = (pairs[:, (count - 1) // 2] + pairs[:, count // 2]) / 2
    apart.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    return apart.kthvalue(k, dim=2).values < median[:, None]
