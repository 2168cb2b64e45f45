"""By how much the share that a map recovers changed between two models."""

from __future__ import annotations

from facegeom_lit.geometry.alignment.judged import Judged, recovered, recovered_draws
from facegeom_lit.geometry.statistics import FEWEST, Interval, percentiles

Trio = tuple[Judged, Judged, Judged]
"""What a map, no map, and the native probes gave."""


def recovered_difference(after: Trio, before: Trio) -> Interval:
    """`after − before` of what is recovered of rank-1, paired over people.

    One judge measured all six.

    Returns:
        The difference; None where one of the two is undefined. No ends where one of them is in
        more than (1 − level) / 2 of the draws.
    """
    people = after[0].people["rank1"]
    second, first = (recovered(*trio).value for trio in (after, before))
    if second is None or first is None:
        return Interval(None, None, None, people)
    draws, level = recovered_draws(*after) - recovered_draws(*before), after[0].level
    defined = draws[~draws.isnan()]
    if people < FEWEST or len(defined) < (1 + level) / 2 * len(draws):
        return Interval(second - first, None, None, people)
    return Interval(second - first, *percentiles(defined, level), people)
