"""Closed-set 1:N identification: a probe is searched in a gallery (GEOMETRY §3, §4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, blocks
from facegeom_lit.geometry.verification import check_labels


def first_image_gallery(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Enrol the first image of each identity; the others are probes.

    Args:
        labels: Identity of each row, shape (N,).

    Returns:
        Row numbers of the gallery and of the probes, each in increasing order.

    Example:
        >>> first_image_gallery(torch.tensor([7, 7, 3, 7, 3]))
        (tensor([0, 2]), tensor([1, 3, 4]))
    """
    identities, dense = labels.unique(return_inverse=True)
    rows = torch.arange(len(labels), device=labels.device)
    first = rows.new_full((len(identities),), len(labels))
    first.scatter_reduce_(0, dense, rows, "amin")
    enrolled = torch.zeros_like(rows, dtype=torch.bool)
    enrolled[first] = True
    return rows[enrolled], rows[~enrolled]


def match_ranks(
    gallery: Tensor,
    gallery_labels: Tensor,
    probes: Tensor,
    probe_labels: Tensor,
    *,
    distance: Distance = "cosine",
) -> Tensor:
    """Rank of the right identity for each probe, 1 = first.

    An identity's score is that of its most similar gallery image. Equal scores count against the
    probe, so that a model which embeds everything in one point identifies nobody.

    Args:
        gallery: Embeddings of the gallery, shape (G, D), raw.
        gallery_labels: Identities, shape (G,).
        probes: Embeddings of the probes, shape (P, D), raw.
        probe_labels: Identities, shape (P,); each must be in the gallery (closed set).
        distance: The distance of the space in which the gallery lives.

    Returns:
        Ranks ≥ 1, shape (P,), int64. `ranks <= k` are the hits of rank-k.

    Raises:
        FaceGeomError: When a probe has no mate, rows are not finite, or dimensions differ.
    """
    ranks, missing = [], 0
    for scores, mates in searches(gallery, gallery_labels, probes, probe_labels, distance):
        missing += int((mates < 0).sum())
        own = scores.gather(1, mates.clamp(min=0).unsqueeze(1))
        ranks.append((scores >= own).sum(dim=1))
    if missing:
        raise FaceGeomError(
            f"{missing} of {len(probes)} probes are of identities that the gallery does not hold. "
            "Closed-set ranks need a mate for each; use `open_set.tpir_at_fpir` for the open set."
        )
    return torch.cat(ranks)


def rank_k(
    gallery: Tensor,
    gallery_labels: Tensor,
    probes: Tensor,
    probe_labels: Tensor,
    ks: Sequence[int] = (1, 5),
    *,
    distance: Distance = "cosine",
) -> dict[int, float]:
    """Share of probes whose identity is among the first k.

    Args:
        gallery: As of `match_ranks`, like all but `ks`.
        gallery_labels: Identities of the gallery.
        probes: Embeddings of the probes.
        probe_labels: Identities of the probes.
        ks: Ranks ≥ 1.
        distance: The distance of the space in which the gallery lives.

    Returns:
        The share in [0, 1] for each k.

    Raises:
        FaceGeomError: As `match_ranks`.

    Example:
        >>> points, labels = torch.eye(3), torch.arange(3)
        >>> rank_k(points, labels, points, labels, ks=[1])
        {1: 1.0}
    """
    ranks = match_ranks(gallery, gallery_labels, probes, probe_labels, distance=distance)
    return {k: float((ranks <= k).double().mean()) for k in ks}


def searches(
    gallery: Tensor,
    gallery_labels: Tensor,
    probes: Tensor,
    probe_labels: Tensor,
    distance: Distance,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Search a gallery with some probes at a time.

    Args:
        gallery: As of `match_ranks`, like all others, but that a probe need not have a mate.
        gallery_labels: Identities of the gallery.
        probes: Embeddings of the probes.
        probe_labels: Identities of the probes.
        distance: The distance of the space in which the gallery lives.

    Yields:
        Score against each identity, (P, I), and the column of the right one, or -1, (P,).

    Raises:
        FaceGeomError: When rows are not finite, or dimensions differ.
    """
    check_labels(gallery, gallery_labels)
    check_labels(probes, probe_labels)
    if not len(gallery) or not len(probes) or gallery.shape[1] != probes.shape[1]:
        raise FaceGeomError(
            f"Gallery and probes must be embeddings of one dimension, got {tuple(gallery.shape)} "
            f"and {tuple(probes.shape)}."
        )
    enrolled, probed = _placed(gallery, probes, distance)
    identities, dense = gallery_labels.to(gallery.device).unique(return_inverse=True)
    labels = probe_labels.to(identities)
    mates = torch.searchsorted(identities, labels).clamp(max=len(identities) - 1)
    mates = torch.where(identities[mates] == labels, mates, -1)
    for rows in blocks(len(probed), 1024):
        pairs = (
            probed[rows] @ enrolled.T
            if distance == "cosine"
            else -torch.cdist(probed[rows], enrolled)
        )
        scores = pairs.new_full((len(pairs), len(identities)), -torch.inf)
        yield scores.scatter_reduce_(1, dense.expand_as(pairs), pairs, "amax"), mates[rows]


def _placed(gallery: Tensor, probes: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """Both sets in float64, normalised or around the gallery's mean."""
    both = torch.cat([gallery.double(), probes.to(gallery.device).double()])
    if distance == "cosine":
        both = torch.nn.functional.normalize(both, dim=1)
    else:
        both = both - both[: len(gallery)].mean(dim=0)
    return both[: len(gallery)], both[len(gallery) :]
