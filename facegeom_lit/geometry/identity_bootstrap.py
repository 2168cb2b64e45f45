"""Uncertainty of a verification difference between two models, over identities (GEOMETRY §4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance
from facegeom_lit.geometry.statistics import Interval, check_bootstrap, percentiles
from facegeom_lit.geometry.verification import FARS, pair_scores, rate_name, split_scores, verify

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
    exact, samples = [], []
    for embeddings, distance in ((embeddings_a, distance_a), (embeddings_b, distance_b)):
        exact.append(verify(embeddings, labels, distance=distance, fars=fars))
        samples.append(_resampled(embeddings.cpu(), dense, distance, weights, fars))
    intervals = {}
    for name, sampled in samples[0].items():
        before, after = exact[0][name], exact[1][name]
        if before is None or after is None:
            continue
        difference = samples[1][name] - sampled
        difference = difference[~difference.isnan()]  # a draw of one identity alone has no ROC
        low, high = percentiles(difference, level) if len(difference) else (None, None)
        intervals[name] = Interval(after - before, low, high, count)
    return intervals


def _resampled(
    embeddings: Tensor, dense: Tensor, distance: Distance, weights: Tensor, fars: Sequence[float]
) -> dict[str, Tensor]:
    """The measures of one model for every draw, each of shape (R,)."""
    genuine, impostor = _weighted_histograms(embeddings, dense, distance, weights)
    return histogram_measures(genuine, impostor, fars)


def _weighted_histograms(
    embeddings: Tensor, dense: Tensor, distance: Distance, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Weighted counts of genuine and impostor scores in bins from high to low, each (R, B)."""
    scores, same = pair_scores(embeddings, dense, distance)
    edges = _edges(*split_scores(scores, same))
    first, second = torch.triu_indices(len(dense), len(dense), offset=1)
    low = torch.minimum(dense[first], dense[second])
    high = torch.maximum(dense[first], dense[second])
    bins = len(edges) + 1
    # Bin 0 holds the highest scores.
    cell = len(edges) - torch.bucketize(scores, edges)
    count = weights.shape[1]
    own = torch.bincount(low[same] * bins + cell[same], minlength=count * bins)
    genuine = weights @ own.view(count, bins).float()
    impostor = torch.zeros_like(genuine)
    # One identity at a time against all later ones: a table of all pairs of identities × bins
    # would not fit.
    order = low[~same].argsort(stable=True)
    partner, cell, low = high[~same][order], cell[~same][order], low[~same][order]
    starts = torch.searchsorted(low, torch.arange(count + 1))
    for i in range(count):
        rows = slice(int(starts[i]), int(starts[i + 1]))
        table = torch.bincount(partner[rows] * bins + cell[rows], minlength=count * bins)
        table = table.view(count, bins)[i + 1 :].float()
        impostor += weights[:, i : i + 1] * (weights[:, i + 1 :] @ table)
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
