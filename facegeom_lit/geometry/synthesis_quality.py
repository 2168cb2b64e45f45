"""How good generated faces are: do they follow what was asked, stay one person, and vary?"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.identity_bootstrap import paired_identity_bootstrap
from facegeom_lit.geometry.points import blocks, comparable, pair_distances, tile_size
from facegeom_lit.geometry.spread import mean_distance
from facegeom_lit.geometry.statistics import Interval


class Following(NamedTuple):
    """How measured attribute values follow requested ones.

    Attributes:
        r2: Share of the requested values' variance that the measured values explain, not refitted:
            1 - Σ(m - r)² / Σ(r - mean r)². Below 0 it is worse than no answer at all.
        correlation: Pearson's, which forgives a wrong scale or offset; None where nothing varies.
        monotone_share: Share of curves whose measured value rises at both steps; None without.
    """

    r2: float
    correlation: float | None
    monotone_share: float | None


def following(requested: Tensor, measured: Tensor, curves: Tensor | None = None) -> Following:
    """Compare measured attribute values with requested ones.

    Args:
        requested: Values asked for, shape (N,).
        measured: Values found in the images, shape (N,).
        curves: int64 (C, 3), rows of `measured` at a - δ, a, a + δ; None leaves out the share.

    Raises:
        FaceGeomError: When shapes differ, a value is not finite, or nothing varies.

    Example:
        >>> values = torch.tensor([1.0, 2.0, 3.0])
        >>> following(values, values, torch.tensor([[0, 1, 2]]))
        Following(r2=1.0, correlation=1.0, monotone_share=1.0)
    """
    if requested.ndim != 1 or requested.shape != measured.shape:
        raise FaceGeomError(
            f"`requested` and `measured` must be vectors of one length, got "
            f"{tuple(requested.shape)} and {tuple(measured.shape)}."
        )
    r, m = requested.double(), measured.double()
    if not bool((r.isfinite() & m.isfinite()).all()):
        raise FaceGeomError("`requested` or `measured` holds NaN or infinity.")
    r0, m0 = r - r.mean(), m - m.mean()
    total, spread = float(r0.square().sum()), float(m0.square().sum())
    if total == 0:
        raise FaceGeomError("All requested values are equal: nothing can follow them.")
    r2 = 1 - float((m - r).square().sum()) / total
    correlation = float(r0 @ m0) / (total * spread) ** 0.5 if spread > 0 else None
    share = None
    if curves is not None and len(curves):
        share = float((m[curves].diff(dim=1) > 0).all(1).double().mean())
    return Following(r2, correlation, share)


def leakage_matrix(changes: Tensor, *, signed: bool = True) -> Tensor:
    """Return the measured change of each attribute per lattice step of each attribute.

    Args:
        changes: Measured value at a + δ less that at a - δ, in steps of the measured attribute,
            shape (A moved, C curves, B measured).
        signed: Median change (what moves along every time); False: median size of the change,
            where moves of either sign count and so does the measuring noise. Medians, since a
            single blown-out image, in which nothing can be read, would decide a mean.

    Returns:
        Shape (A, B). With the same attributes on both sides the diagonal is the wanted response,
        1 where an attribute moves exactly as asked, and what stands beside it is leakage.

    Raises:
        FaceGeomError: When `changes` has another shape or holds no curve.
    """
    if changes.ndim != 3 or not changes.shape[1]:
        raise FaceGeomError(
            "`changes` must have the shape (moved, curves, measured) with at least one curve, got "
            f"{tuple(changes.shape)}."
        )
    middle = (changes if signed else changes.abs()).double().quantile(0.5, dim=1)
    return middle / 2  # from end to end: 2 steps


def identity_consistency(
    embeddings: Tensor, labels: Tensor, *, resamples: int = 1000, seed: int = 0
) -> Interval:
    """AUC of same against different identity, with its 95 % interval over identities.

    Args:
        embeddings: Shape (N, D), of a model compared by cosine.
        labels: Identity of each row, shape (N,).
        resamples: Draws of the bootstrap.
        seed: Of the draws.

    Raises:
        FaceGeomError: As `facegeom_lit.geometry.verification.verify`.
    """
    # The bootstrap is of a difference; against embeddings that name the identity, whose AUC is 1
    # in every draw, the difference is AUC - 1.
    dense = labels.unique(return_inverse=True)[1]
    perfect = torch.nn.functional.one_hot(dense).float()
    found = paired_identity_bootstrap(
        perfect, embeddings, labels, fars=(), resamples=resamples, seed=seed
    )["auc"]
    value, low, high = (None if x is None else 1 + x for x in (found.value, found.low, found.high))
    return Interval(value, low, high, found.count)


def curve_cosine(embeddings: Tensor, curves: Tensor) -> Tensor:
    """Return each curve's smaller cosine between its middle image and its ends.

    Args:
        embeddings: Shape (N, D).
        curves: int64 (C, 3), rows at a - δ, a, a + δ.

    Returns:
        Shape (C,), float64: 1 where the attribute changes nothing of who is seen.
    """
    low, middle, high = comparable(embeddings, "cosine")[curves].unbind(1)
    return torch.minimum((low * middle).sum(1), (high * middle).sum(1))


class Variety(NamedTuple):
    """Mean cosine distance of different images of one person, and of different people."""

    within: float
    between: float


def variety(embeddings: Tensor, labels: Tensor) -> Variety:
    """Measure how far images of a person, and people, are apart.

    Args:
        embeddings: Shape (N, D).
        labels: Identity of each row, shape (N,).

    Returns:
        Within: the mean over people with at least two images; between: over all pairs of images
        of different people.

    Raises:
        FaceGeomError: When there is one person, or nobody has two images.
    """
    points = comparable(embeddings, "cosine")
    people = [points[labels == label] for label in labels.unique()]
    several = [rows for rows in people if len(rows) > 1]
    if len(people) < 2 or not several:
        raise FaceGeomError(
            f"Variety needs two people and someone with two images, got {len(people)} people of "
            f"whom {len(several)} have two."
        )
    within = sum(mean_distance(rows, "cosine") for rows in several) / len(several)
    # Σ over different people of x·y = |Σ x|² - Σ_people |Σ x|²
    sums = torch.stack([rows.sum(0) for rows in people])
    products = sums.sum(0).square().sum() - sums.square().sum()
    pairs = len(points) ** 2 - sum(len(rows) ** 2 for rows in people)
    return Variety(within, 1 - float(products) / pairs)


def nearest_training(embeddings: Tensor, training: Tensor) -> Tensor:
    """Return each image's highest cosine to a training image.

    A check against copying: read it beside the same for images that the generator never saw.

    Args:
        embeddings: Shape (N, D).
        training: Shape (M, D).

    Returns:
        Shape (N,), float64.
    """
    points, known = comparable(embeddings, "cosine"), comparable(training, "cosine", "training")
    parts = [
        1 - torch.cat([pair_distances(points[rows], known[part], "cosine").amin(1, keepdim=True)
                       for part in blocks(len(known), 8192)], dim=1).amin(1)
        for rows in blocks(len(points), tile_size(points))
    ]  # fmt: skip
    return torch.cat(parts)
