"""What a judge measured, and paired comparisons of it with what the same judge measured else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.statistics import FEWEST, Interval, percentiles


@dataclass(frozen=True, eq=False)
class Judged:
    """How well probes find their people in a gallery.

    Attributes:
        figures: Exact values in [0, 1]: `rank1`, `rank5` …, `tpir@1e-2` …, `tar@1e-3` …, `eer` and
            `auc`; None where too few probes or pairs support it.
        draws: The same over resampled people, each of shape (R,), float64, NaN where a draw holds
            none of the people that a figure is about. Draw r is of the same people in everything
            that one judge measured. Empty without resamples.
        people: How many people a figure is about: those with probes; in the open set, of those
            who are enrolled and those who are not, the fewer.
        ranks: Rank of each probe, ≥ 1, int64 (P,).
        level: Coverage of the intervals.
        judge: Key of the people and the draws.
    """

    figures: dict[str, float | None]
    draws: Mapping[str, Tensor]
    people: dict[str, int]
    ranks: Tensor
    level: float
    judge: object

    def interval(self, name: str) -> Interval:
        """A figure with its interval over people.

        Raises:
            FaceGeomError: When nothing of that name was measured.
        """
        return _interval(self, name, self.value(name), self.draws.get(name))

    def intervals(self) -> dict[str, Interval]:
        """Every figure with its interval."""
        return {name: self.interval(name) for name in self.figures}

    def value(self, name: str) -> float | None:
        """A figure.

        Raises:
            FaceGeomError: When nothing of that name was measured.
        """
        if name not in self.figures:
            raise FaceGeomError(
                f"No figure {name!r} was measured; there are {', '.join(self.figures)}."
            )
        return self.figures[name]


def difference(after: Judged, before: Judged, name: str) -> Interval:
    """`after − before` of a figure, paired over people.

    Raises:
        FaceGeomError: When another judge measured one of them, or nothing of that name was.
    """
    _check_paired(after, before)
    second, first = after.value(name), before.value(name)
    value = None if first is None or second is None else second - first
    draws = None
    if name in after.draws and name in before.draws:
        draws = after.draws[name] - before.draws[name]
    return _interval(after, name, value, draws)


def recovered(aligned: Judged, unaligned: Judged, native: Judged, name: str = "rank1") -> Interval:
    """Share of what lies between no map and the target's own probes that a map recovers.

    (aligned − unaligned) / (native − unaligned), paired over people: 1 = as good as native, 0 = no
    better than no map, outside of [0, 1] where it is better or worse than those.

    Returns:
        The share; None where the native figure is no better than the unaligned one, for there is
        then nothing to recover. No ends where that holds in more than (1 − level) / 2 of the draws.

    Raises:
        FaceGeomError: As `difference`.
    """
    _check_paired(aligned, unaligned)
    _check_paired(aligned, native)
    values = [judged.value(name) for judged in (aligned, unaligned, native)]
    with_map, without, best = values
    if with_map is None or without is None or best is None or _sign(name) * (best - without) <= 0:
        return Interval(None, None, None, aligned.people[name])
    value = (with_map - without) / (best - without)
    draws = None
    if all(name in judged.draws for judged in (aligned, unaligned, native)):
        draws = recovered_draws(aligned, unaligned, native, name)
        if float(draws.isnan().double().mean()) > (1 - aligned.level) / 2:
            draws = None
    return _interval(aligned, name, value, draws)


def recovered_draws(
    aligned: Judged, unaligned: Judged, native: Judged, name: str = "rank1"
) -> Tensor:
    """`recovered` of every draw, (R,), float64; NaN where there was nothing to recover."""
    gap = native.draws[name] - unaligned.draws[name]
    share = (aligned.draws[name] - unaligned.draws[name]) / gap
    return torch.where(_sign(name) * gap > 0, share, torch.nan)


def _interval(judged: Judged, name: str, value: float | None, draws: Tensor | None) -> Interval:
    people = judged.people[name]
    draws = None if draws is None else draws[~draws.isnan()]
    if value is None or draws is None or not len(draws) or people < FEWEST:
        return Interval(value, None, None, people)
    low, high = percentiles(draws, judged.level)
    return Interval(value, low, high, people)


def _sign(name: str) -> int:
    return -1 if name == "eer" else 1  # of errors, fewer are better


def _check_paired(first: Judged, second: Judged) -> None:
    if first.judge is not second.judge:
        raise FaceGeomError(
            "Only what one judge measured can be compared over people. Measure both with the same "
            "`Judge`."
        )
