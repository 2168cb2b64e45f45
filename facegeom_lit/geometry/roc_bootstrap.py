"""How sure a verification figure is: its interval over people drawn with replacement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facegeom_lit.geometry.identity_bootstrap import histogram_measures
from facegeom_lit.geometry.score_source import Scores
from facegeom_lit.geometry.statistics import FEWEST, Interval, check_bootstrap, percentiles
from facegeom_lit.geometry.streaming_roc import Interpolation, RocCounts, coarse_edges

GROUPS = 256
"""People are drawn in at most so many groups, so that any number of them takes the same time."""

LEVELS = 512
"""Bins are cut at this many quantiles of each class of scores."""


@dataclass(frozen=True)
class RocIntervals:
    """Intervals of one ROC.

    Attributes:
        measures: Interval by measure, as `RocCounts.measures` names them but for the counts.
        low: Lower end of the TAR at each false accept rate of the curve, shape (F,).
        high: Upper end, shape (F,).
        groups: How many groups of clusters were drawn from.
    """

    measures: dict[str, Interval]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    groups: int


def group_clusters(clusters: int, seed: int) -> Tensor:
    """Group of each cluster, int64 (clusters,): of its own, or one of `GROUPS` at random.

    Example:
        >>> group_clusters(3, seed=0).sort().values
        tensor([0, 1, 2])
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(clusters, generator=generator) % GROUPS


def draw_groups(groups: int, resamples: int, seed: int) -> Tensor:
    """How often each group is drawn with replacement, float32 (resamples, groups)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(groups, (resamples, groups), generator=generator)
    return torch.zeros(resamples, groups).scatter_add_(1, drawn, torch.ones(drawn.shape))


def roc_intervals(
    pairs: Scores,
    counts: RocCounts,
    *,
    fars: Sequence[float],
    curve: NDArray[np.float64],
    interpolation: Interpolation = "none",
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> RocIntervals | None:
    """Bootstrap the AUC, the EER, the TAR at some rates and the whole curve.

    People (clusters of `pairs`) are drawn with replacement; beyond `GROUPS` of them, groups of
    people that were put together at random. A pair between groups i ≠ j then counts w_i·w_j times
    and one within a group w_i times, with w how often a group was drawn (a copy of a person
    meeting another copy is no pair). Between people this is the pigeonhole bootstrap, which errs
    on the wide side (Owen, Annals of Applied Statistics 2007).

    Scores are binned at quantiles of both classes with straight lines between; the difference of
    the exact figure and the binned one is added to every draw.

    Args:
        pairs: The scored pairs.
        counts: What `roc_counts` counted of them.
        fars: False accept rates; those that the pairs do not support are left out.
        curve: False accept rates at which the band is wanted, shape (F,).
        interpolation: Of the TAR at `fars`, as of `RocCounts.tar`.
        resamples: How many draws.
        level: Coverage in (0, 1).
        seed: Of the groups and the draws.

    Returns:
        The intervals; None with fewer than `statistics.FEWEST` clusters.

    Raises:
        FaceGeomError: When an argument is out of range.
    """
    check_bootstrap(resamples, level)
    if pairs.clusters < FEWEST:
        return None
    groups = group_clusters(pairs.clusters, seed)
    count = min(pairs.clusters, GROUPS)
    # The last row draws every group once: what binning makes of the figures themselves.
    weights = torch.cat([draw_groups(count, resamples, seed), torch.ones(1, count)])
    genuine, impostor = _histograms(pairs, groups, weights, bin_edges(counts))
    supported = [far for far in fars if counts.tar(far) is not None]
    exact = counts.measures(supported, interpolation)
    intervals = {}
    for name, sampled in histogram_measures(genuine, impostor, supported).items():
        value = exact[name]
        assert value is not None
        low, high = _ends(sampled, value, level)
        intervals[name] = Interval(value, low, high, count)
    exact_curve = counts.curve(curve)
    bands = [
        _ends(sampled, float(value), level)
        for sampled, value in zip(_tars(genuine, impostor, curve), exact_curve, strict=True)
    ]
    low_curve, high_curve = np.array(bands).T
    return RocIntervals(intervals, low_curve, high_curve, count)


def share_draws(hits: Tensor, group: Tensor, weights: Tensor) -> Tensor:
    """Share of probes that hit, in each draw.

    Args:
        hits: Whether (or how far) each probe counts, in [0, 1], shape (P,).
        group: Whom each probe is drawn with, shape (P,).
        weights: How often each group was drawn, shape (R, I).

    Returns:
        Shape (R,), float64; NaN in a draw without probes.
    """
    count = weights.shape[1]
    probes = torch.bincount(group, minlength=count).double()
    found = torch.bincount(group, weights=hits.double(), minlength=count)
    return (weights.double() @ found) / (weights.double() @ probes)


def share_interval(
    hits: Tensor, clusters: Tensor, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Interval:
    """Interval of a share of probes, people drawn with replacement as by `roc_intervals`.

    Args:
        hits: Whether (or how far) each probe counts, in [0, 1], shape (P,).
        clusters: Person of each probe, shape (P,).
        resamples: How many draws; 0: none, and no ends.
        level: Coverage in (0, 1).
        seed: Of the groups and the draws.

    Raises:
        FaceGeomError: When an argument is out of range.
    """
    check_bootstrap(max(resamples, 1), level)
    value = float(hits.double().mean())
    people, dense = clusters.unique(return_inverse=True)
    if not resamples or len(people) < FEWEST:
        return Interval(value, None, None, len(people))
    count = min(len(people), GROUPS)
    weights = draw_groups(count, resamples, seed)
    draws = share_draws(hits, group_clusters(len(people), seed)[dense], weights)
    low, high = percentiles(draws[~draws.isnan()], level)
    return Interval(value, low, high, count)


def _ends(sampled: Tensor, value: float, level: float) -> tuple[float, float]:
    """Ends of a rate's interval; the last sample is the binned figure itself."""
    draws = sampled[:-1] + (value - sampled[-1])
    draws = draws[~draws.isnan()]  # a draw of one person alone has no ROC
    low, high = percentiles(draws.clamp(0, 1), level)
    return low, high


def _histograms(
    pairs: Scores, groups: Tensor, weights: Tensor, edges: NDArray[np.float32]
) -> tuple[Tensor, Tensor]:
    """Weighted counts of genuine and impostor scores from high to low, each (R, B)."""
    draws, count = weights.shape
    bins = len(edges) + 1
    genuine, impostor = torch.zeros(2, draws, bins)
    table, current = torch.zeros(count, bins), 0

    def finish() -> None:
        together = weights[:, current + 1 :] @ table[current + 1 :] + table[current]
        impostor.add_(weights[:, current : current + 1] * together)
        table.zero_()

    for cell in pairs.cells(groups):
        if cell.group != current:
            finish()
            current = cell.group
        scores, same = cell.scores.cpu().numpy(), cell.same.cpu()
        place = torch.from_numpy(len(edges) - np.searchsorted(edges, scores))
        own = torch.bincount(place[same], minlength=bins).float()
        genuine += weights[:, current : current + 1] * own
        place = (cell.others.cpu() * bins + place)[~same]
        table += torch.bincount(place, minlength=count * bins).view(count, bins)
    finish()
    return genuine, impostor


def bin_edges(counts: RocCounts, levels: int = LEVELS) -> NDArray[np.float32]:
    """Bin edges, increasing: dense where a small FAR puts its threshold, and among the genuine.

    At most `levels` quantiles of each class.
    """
    finite = coarse_edges()[np.isfinite(coarse_edges())].astype(np.float64)
    places = np.union1d(finite, counts.scores.astype(np.float64))
    below, first = np.unique(counts.impostors_below(places), return_index=True)
    rates = np.geomspace(1, 1 / max(counts.impostors, 2), levels)
    tail = np.interp((1 - rates) * counts.impostors, below, places[first])
    even = np.linspace(0, counts.genuines - 1, levels)
    spread = counts.scores[np.searchsorted(counts.genuine.cumsum(), even, side="right")]
    return np.unique(np.concatenate([tail.astype(np.float32), spread]))


def _tars(genuine: Tensor, impostor: Tensor, fars: NDArray[np.float64]) -> list[Tensor]:
    """TAR of each draw (R,) at each of many rates."""
    tar, far = (
        torch.nn.functional.pad(counts.double().cumsum(dim=1), (1, 0)).numpy()
        for counts in (genuine, impostor)
    )
    found = np.full((len(tar), len(fars)), np.nan)  # a draw without pairs of a kind stays NaN
    for row in np.flatnonzero((tar[:, -1] > 0) & (far[:, -1] > 0)):
        found[row] = np.interp(fars, far[row] / far[row, -1], tar[row] / tar[row, -1])
    return list(torch.from_numpy(found).T)
