"""How far the direction of a field carries: its correlation length (GEOMETRY §1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError


def bin_centres(bins: int, reach: float) -> Tensor:
    """Middle of each distance bin of a correlation function.

    Args:
        bins: How many equal bins cover [0, `reach`].
        reach: In units of the mean distance, > 0.

    Returns:
        Shape (bins,), float64, in units of the mean distance.

    Example:
        >>> bin_centres(2, 2.0)
        tensor([0.5000, 1.5000], dtype=torch.float64)
    """
    return (torch.arange(bins, dtype=torch.float64) + 0.5) * (reach / bins)


def correlation_length(correlation: Tensor, reach: float = 2.0) -> float | None:
    """The distance at which a correlation function has fallen to 1/e of its first bin.

    Bins without pairs are passed over: the first bin is the first that has any, and its value must
    be positive: a field whose closest pairs do not agree has no length. From it on, the values at
    the centres of the bins are joined by straight lines; the length is the first distance at
    which the line goes below 1/e of the first value. It is measured from zero, so it is never
    less than the centre of the first bin. With a few pairs in each bin it is little more than
    noise: use fewer bins, or the pairs of all identities (`pooled_correlation`).

    Args:
        correlation: Mean cosine of the directions in equal bins of distance over [0, `reach`],
            shape (bins,); NaN = a bin without pairs.
        reach: In units of the mean distance, > 0.

    Returns:
        In units of the mean distance; None without a pair, where the first value is not
        positive, or where no later bin is below 1/e of it.

    Raises:
        FaceGeomError: When the shape is not (bins,) or `reach` is not positive.

    Example:
        >>> correlation_length(torch.tensor([0.8, 0.4, 0.0]), reach=3.0)
        1.7642411176571153
    """
    if correlation.ndim != 1 or not reach > 0:
        raise FaceGeomError(
            f"`correlation` must have shape (bins,) and `reach` be > 0, got "
            f"{tuple(correlation.shape)} and {reach}."
        )
    values = correlation.double().cpu()
    known = (~values.isnan()).nonzero().flatten()
    if len(known) == 0 or values[known[0]] <= 0:
        return None
    limit = float(values[known[0]]) / math.e
    below = (values[known] < limit).nonzero().flatten()
    if len(below) == 0:
        return None
    last, first = known[below[0] - 1], known[below[0]]
    centres = bin_centres(len(values), reach)
    share = float((values[last] - limit) / (values[last] - values[first]))
    return float(centres[last] + share * (centres[first] - centres[last]))


def pooled_correlation(correlation: Tensor, pairs: Tensor) -> Tensor:
    """One correlation function of several identities: the mean over all of their pairs.

    Args:
        correlation: Of each identity, shape (I, bins); NaN = a bin without pairs.
        pairs: Pairs in each bin, shape (I, bins).

    Returns:
        Shape (bins,), float64; NaN where no identity has a pair.

    Raises:
        FaceGeomError: When the shapes differ.
    """
    if correlation.shape != pairs.shape or correlation.ndim != 2:
        raise FaceGeomError(
            f"`correlation` and `pairs` must have one shape (I, bins), got "
            f"{tuple(correlation.shape)} and {tuple(pairs.shape)}."
        )
    sums = correlation.double().nan_to_num(nan=0.0) * pairs
    return sums.sum(dim=0) / pairs.sum(dim=0)
