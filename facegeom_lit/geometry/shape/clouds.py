"""The clouds of points whose shape is looked at (GEOMETRY §2)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, comparable

WHOLE, CENTRES, WITHIN = "all images", "identity centres", "within identities"


def clouds(
    embeddings: Tensor,
    identity: Tensor,
    attributes: Mapping[str, Tensor] | None = None,
    *,
    distance: Distance = "cosine",
) -> dict[str, Tensor]:
    """Cut embeddings into the clouds that are compared: all, centres, residuals, modalities.

    All of them stand where the Euclidean distance is the one to use: of a model that is compared by
    cosine the embeddings are normalised first, and centres are means of normalised embeddings.

    Args:
        embeddings: Shape (N, D).
        identity: Number of each row's person, int64 (N,).
        attributes: Labels of each row, (N,); above 0 is the one modality, below 0 the other, 0 and
            NaN are neither.
        distance: The model's own distance.

    Returns:
        Name → points (M, D), float64: `all images`; `identity centres`; `within identities`, each
        image less its person's centre, people of one image left out; and of each attribute `NAME +`
        and `NAME −`. A cloud of no point is absent.

    Raises:
        FaceGeomError: When lengths differ or a row is not finite.
    """
    for name, labels in {"identity": identity, **(attributes or {})}.items():
        if labels.shape != (len(embeddings),):
            raise FaceGeomError(
                f"`{name}` must hold one label for each of {len(embeddings)} embeddings, got shape "
                f"{tuple(labels.shape)}."
            )
    points = comparable(embeddings, distance)
    _, owner, images = identity.to(points.device).unique(return_inverse=True, return_counts=True)
    sums = torch.zeros(len(images), points.shape[1], dtype=points.dtype, device=points.device)
    centres = sums.index_add_(0, owner, points) / images.unsqueeze(1)
    found = {
        WHOLE: points,
        CENTRES: centres,
        WITHIN: (points - centres[owner])[images[owner] > 1],
    }
    for name, labels in (attributes or {}).items():
        found |= {f"{name} +": points[labels > 0], f"{name} −": points[labels < 0]}
    return {name: cloud for name, cloud in found.items() if len(cloud)}


def identity_clouds(
    embeddings: Tensor, identity: Tensor, *, fewest: int, distance: Distance = "cosine"
) -> dict[int, Tensor]:
    """Return the cloud of each person with at least so many images, placed as `clouds` does.

    Args:
        embeddings: Shape (N, D).
        identity: Number of each row's person, int64 (N,).
        fewest: Images that a person needs.
        distance: The model's own distance.
    """
    points = comparable(embeddings, distance)
    people, images = identity.unique(return_counts=True)
    return {int(one): points[identity == one] for one in people[images >= fewest]}
