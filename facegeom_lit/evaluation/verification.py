"""1:1 verification of any scored pairs, with intervals, thresholds and what figures draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facegeom_lit.evaluation.progress import WatchedScores
from facegeom_lit.evaluation.result import Curve, plain
from facegeom_lit.evaluation.settings import Settings
from facegeom_lit.geometry.far_thresholds import far_thresholds
from facegeom_lit.geometry.roc_bootstrap import GROUPS, RocIntervals, roc_intervals
from facegeom_lit.geometry.score_source import Scores
from facegeom_lit.geometry.statistics import FEWEST, Interval
from facegeom_lit.geometry.streaming_roc import RocCounts, coarse_edges, roc_counts
from facegeom_lit.geometry.verification import rate_name

POINTS = 121
"""Points of a drawn ROC."""

BINS = 80
"""Bins of a drawn histogram of scores."""


@dataclass(frozen=True)
class Verified:
    """Figures of 1:1 verification, as in `Result`."""

    figures: dict[str, Interval]
    thresholds: dict[str, float | None]
    facts: dict[str, float]
    curve: Curve
    notes: tuple[str, ...]


def verified(
    pairs: Scores, settings: Settings, fars: Sequence[float], clusters: str, title: str
) -> Verified:
    """Measure AUC, EER and TAR@FAR of scored pairs.

    Args:
        pairs: The scored pairs.
        settings: Interpolation, bootstrap and seed.
        fars: False accept rates.
        clusters: What the bootstrap draws, for the notes: "people", or "pairs".
        title: What the progress bar is called.

    Raises:
        FaceGeomError: When there are no genuine or no impostor pairs, or scores are not finite.
    """
    passes = 2 if not settings.resamples else 3
    total = pairs.impostor_count * passes + pairs.genuine_count * (passes - 1)
    with tqdm(total=total, unit="pair", unit_scale=True, desc=title, leave=False) as bar:
        watched = WatchedScores(pairs, bar)
        counts = roc_counts(watched)
        thresholds = far_thresholds(watched, counts, fars)
        smallest = counts.smallest_far
        grid = np.geomspace(smallest, 0.999, POINTS) if smallest < 0.999 else np.array([0.999])
        found = _intervals(watched, counts, settings, fars, grid)
    measures = counts.measures(fars, settings.interpolation)
    facts = {name: float(measures.pop(name) or 0) for name in ("genuine", "impostor")}
    drawn = found.measures if found is not None else {}
    return Verified(
        {name: drawn.get(name, plain(value)) for name, value in measures.items()},
        {f"tar@{rate_name(far)}": value for far, value in thresholds.items()},
        {**facts, "smallest_far": smallest},
        _curve(counts, found, grid),
        (*_rates(counts, fars, settings), *_drawn(found, settings, clusters, pairs.clusters)),
    )


def _intervals(
    pairs: Scores,
    counts: RocCounts,
    settings: Settings,
    fars: Sequence[float],
    grid: NDArray[np.float64],
) -> RocIntervals | None:
    if not settings.resamples:
        return None
    return roc_intervals(
        pairs,
        counts,
        fars=fars,
        curve=grid,
        interpolation=settings.interpolation,
        resamples=settings.resamples,
        level=settings.level,
        seed=settings.seed,
    )


def _rates(counts: RocCounts, fars: Sequence[float], settings: Settings) -> list[str]:
    """Say what the rates are worth."""
    notes = []
    interpolation = {"none": "no interpolation", "linear": "linear interpolation"}
    if fars:
        notes.append(f"TAR@FAR: {interpolation[settings.interpolation]}")
    if beyond := [rate_name(far) for far in fars if counts.tar(far) is None]:
        notes.append(
            f"{counts.impostors:,} impostor pairs support a FAR down to {counts.smallest_far:.1e}; "
            f"left out: {', '.join(beyond)}"
        )
    if counts.rounding:
        notes.append(
            f"{counts.genuines:,} genuine pairs are too many to keep; all scores are rounded to "
            f"steps of {counts.rounding:.1e}"
        )
    return notes


def _drawn(found: RocIntervals | None, settings: Settings, clusters: str, count: int) -> list[str]:
    """Say what the intervals are over."""
    if not settings.resamples:
        return []
    if found is None:
        return [f"no intervals: {count} {clusters} are fewer than the {FEWEST} that they need"]
    drawn = f"{count:,} {clusters} drawn with replacement"
    if count > GROUPS:
        drawn = f"{GROUPS} random groups of {count:,} {clusters} drawn with replacement"
    notes = [f"{settings.level:.0%} intervals: {settings.resamples} times, {drawn}"]
    if clusters == "pairs":
        notes.append(
            "the pairs name no people: pairs that share an image or a person count as independent, "
            "so the intervals may be too narrow"
        )
    return notes


def _curve(counts: RocCounts, found: RocIntervals | None, grid: NDArray[np.float64]) -> Curve:
    """The ROC at the rates of the grid, and histograms of the scores."""
    edges = coarse_edges().astype(np.float64)
    filled = np.flatnonzero(counts.coarse)
    lowest = float(edges[max(int(filled[0]) - 1, 0)])
    if counts.at_least[0] == counts.impostors:  # no impostor below the lowest genuine score
        lowest = float(counts.scores[0])
    highest = float(edges[min(int(filled[-1]), len(edges) - 1)])
    if counts.above[-1] == 0:  # no impostor above the highest genuine score
        highest = float(counts.scores[-1])
    lowest, highest = min(lowest, counts.scores[0]), max(highest, counts.scores[-1])
    margin = 1e-6 + 1e-3 * (highest - lowest)
    bounds = np.linspace(lowest - margin, highest + margin, BINS + 1)
    genuine, _ = np.histogram(counts.scores, bounds, weights=counts.genuine)
    return Curve(
        grid,
        counts.curve(grid),
        None if found is None else found.low,
        None if found is None else found.high,
        bounds,
        genuine / counts.genuines,
        np.diff(counts.impostors_below(bounds)) / counts.impostors,
    )
