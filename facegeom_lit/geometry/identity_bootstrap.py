"""Uncertainty of a verification difference between two models, over identities (GEOMETRY §4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, comparable
from facegeom_lit.geometry.statistics import Interval, check_bootstrap, percentiles
from facegeom_lit.geometry.verification import (
    FARS,
    block_scores,
    pair_scores,
    rate_name,
    sorted_measures,
    split_scores,
)

LEVELS = 512
"""Bins are cut at this many quantiles of each class of scores."""


def paired_identity_bootstrap(
    embeddings_a: Tensor,
    embeddings_b: Tensor,
    labels: Tensor,
    *,
    distance_a: Distance = "cosine",
    distance_b: Distance = "cosine",
    fars: Sequence[float] = FARS,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Differences `b − a` of AUC, EER and TAR between two models on the same images.

    Identities are drawn with replacement, the same ones for both models. A pair of images of
    identities i ≠ j then counts w_i·w_j times and a genuine pair of i counts w_i times, with w
    how often an identity was drawn (a copy of a person meeting another copy is no pair).

    Scores are binned: impostors at quantiles evenly spaced in log FAR, genuine ones at even
    quantiles, both `LEVELS` of them, with straight lines between. So a TAR is off by at most the
    1/512 of the genuine pairs in one bin, an AUC by less. The values themselves are exact.

    Args:
        embeddings_a: Embeddings of the first model, shape (N, D).
        embeddings_b: Embeddings of the second model, shape (N, E).
        labels: Identity of each image, shape (N,).
        distance_a: The first model's own distance.
        distance_b: The second model's own distance.
        fars: False accept rates; those below 1/impostors are left out.
        resamples: How many draws.
        level: Coverage in (0, 1).
        seed: Of the draws.

    Returns:
        By measure (named as by `verify`): the difference, its interval, and the number of
        identities.

    Raises:
        FaceGeomError: As `verify`, or when an argument is out of range.
    """
    check_bootstrap(resamples, level)
    if len(embeddings_a) != len(embeddings_b):
        raise FaceGeomError(
            f"Both models must embed the same images, got {len(embeddings_a)} and "
            f"{len(embeddings_b)} rows."
        )
    identities, dense = labels.cpu().unique(return_inverse=True)
    count = len(identities)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(count, (resamples, count), generator=generator)
    weights = torch.zeros(resamples, count).scatter_add_(1, drawn, torch.ones(drawn.shape))
    order = dense.argsort(stable=True)
    before, sampled_before = _resampled(embeddings_a, dense, order, distance_a, weights, fars)
    after, sampled_after = _resampled(embeddings_b, dense, order, distance_b, weights, fars)
    intervals = {}
    for name, sampled in sampled_after.items():
        first, second = before[name], after[name]
        if first is None or second is None:
            continue
        difference = sampled - sampled_before[name]
        difference = difference[~difference.isnan()]  # a draw of one identity alone has no ROC
        low, high = percentiles(difference, level) if len(difference) else (None, None)
        intervals[name] = Interval(second - first, low, high, count)
    return intervals


def _resampled(
    embeddings: Tensor,
    dense: Tensor,
    order: Tensor,
    distance: Distance,
    weights: Tensor,
    fars: Sequence[float],
) -> tuple[dict[str, float | None], dict[str, Tensor]]:
    """Measures of one model: exact, and for every draw (each of shape (R,))."""
    embeddings, labels = embeddings.cpu()[order], dense[order]
    genuine, impostor = split_scores(*pair_scores(embeddings, labels, distance))
    histograms = _weighted_histograms(
        comparable(embeddings, distance), labels, distance, weights, _edges(genuine, impostor)
    )
    return sorted_measures(genuine, impostor, fars), histogram_measures(*histograms, fars)


def _weighted_histograms(
    points: Tensor, labels: Tensor, distance: Distance, weights: Tensor, edges: Tensor
) -> tuple[Tensor, Tensor]:
    """Weighted counts of genuine and impostor scores in bins from high to low, each (R, B).

    Args:
        points: Points that `comparable` placed, in the order of their identities, (N, D).
        labels: Identities 0 … I − 1 in increasing order, shape (N,).
        distance: The model's own distance.
        weights: How often each identity was drawn, shape (R, I).
        edges: Bin edges, increasing, shape (B − 1,).
    """
    draws, count = weights.shape
    bins = len(edges) + 1
    genuine, impostor = torch.zeros(2, draws, bins)
    starts = [0, *torch.bincount(labels, minlength=count).cumsum(0).tolist()]
    # One identity at a time against all later ones: a table of all pairs of identities × bins
    # would not fit.
    for i in range(count):
        rows = slice(starts[i], starts[i + 1])
        scores = block_scores(points[rows], points[rows.start :], distance)
        cells = len(edges) - torch.bucketize(scores, edges)  # bin 0 holds the highest scores
        own, others = cells.split([starts[i + 1] - starts[i], len(points) - starts[i + 1]], dim=1)
        pairs = own[torch.triu(torch.ones_like(own, dtype=torch.bool), diagonal=1)]
        genuine += weights[:, i : i + 1] * torch.bincount(pairs, minlength=bins)
        cells = others + (labels[rows.stop :] - i - 1) * bins
        table = torch.bincount(cells.flatten(), minlength=(count - i - 1) * bins)
        together = weights[:, i + 1 :] @ table.view(-1, bins).float()
        impostor += weights[:, i : i + 1] * together
    return genuine, impostor


def _edges(genuine: Tensor, impostor: Tensor) -> Tensor:
    """Bin edges, increasing: dense where a small FAR puts its threshold."""
    far = torch.logspace(0, -1, LEVELS, base=float(max(len(impostor), 2)), dtype=torch.float64)
    tail = impostor[((1 - far) * (len(impostor) - 1)).round().long()]
    even = torch.linspace(0, len(genuine) - 1, LEVELS, dtype=torch.float64)
    return torch.cat([tail, genuine[even.round().long()]]).unique()


def histogram_measures(
    genuine: Tensor, impostor: Tensor, fars: Sequence[float] = FARS
) -> dict[str, Tensor]:
    """AUC, EER and TAR from binned scores, with straight lines between the bins.

    Args:
        genuine: Counts from the highest score to the lowest, shape (R, B).
        impostor: The same for impostors, shape (R, B).
        fars: False accept rates.

    Returns:
        By measure, shape (R,), float64; NaN in rows without genuine or impostor pairs.
    """
    tar, far = (
        torch.nn.functional.pad(counts.double().cumsum(dim=1), (1, 0))
        for counts in (genuine, impostor)
    )
    tar, far = tar / tar[:, -1:], far / far[:, -1:]
    measures = {"auc": torch.trapezoid(tar, far, dim=1)}
    gap = far - (1 - tar)  # rises from −1 to 1, and is 0 at the equal error rate
    measures["eer"] = _interpolate(gap, far, 0.0)
    for rate in fars:
        measures[f"tar@{rate_name(rate)}"] = _interpolate(far, tar, rate)
    return measures


def _interpolate(x: Tensor, y: Tensor, at: float) -> Tensor:
    """Return y where each rising row of x passes `at`; the highest y where x stays level there."""
    after = torch.searchsorted(x, x.new_full((len(x), 1), at), right=True)
    after = after.clamp(1, x.shape[1] - 1)
    x0, x1 = x.gather(1, after - 1), x.gather(1, after)
    y0, y1 = y.gather(1, after - 1), y.gather(1, after)
    step = (x1 - x0).clamp(min=torch.finfo(x.dtype).tiny)
    return (y0 + (at - x0).clamp(min=0) / step * (y1 - y0)).squeeze(1)
