"""The two-sample Kolmogorov-Smirnov test, without sorting what cannot matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from facegeom_lit.errors import FaceGeomError

CELLS = 16384
"""The common range is cut into so many cells of equal width."""

LARGE = 1000
"""Effective size from which the tail's expansion is exact to 1e-7. SciPy sums as many terms as
there are values, up to a tenth of a second for one p."""


def ks_statistic(first: Tensor, second: Tensor) -> float:
    """Largest distance between the empirical distribution functions of two samples, exactly.

    Ties are treated as by `scipy.stats.ks_2samp`, whose statistic this equals.

    Args:
        first: A sample, shape (M,), finite.
        second: Another, shape (N,), of the same type.

    Returns:
        A number in [0, 1].

    Raises:
        FaceGeomError: When a sample is empty.

    Example:
        >>> ks_statistic(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0]))
        0.5
    """
    return ks_statistics([first], second)[0]


def ks_statistics(samples: Sequence[Tensor], common: Tensor) -> list[float]:
    """`ks_statistic` of each of several samples against one.

    Values are counted in cells; only those in cells where the distance may be larger than at
    every cell's end are sorted.

    Args:
        samples: Each of shape (M,), finite.
        common: What all are compared with, shape (N,), of the same type.

    Returns:
        A number in [0, 1] for each sample.

    Raises:
        FaceGeomError: When one is empty.
    """
    everything = [*samples, common]
    if not all(map(len, everything)):
        raise FaceGeomError("A Kolmogorov-Smirnov test needs at least one value on each side.")
    ends = torch.stack([torch.stack(values.aminmax()) for values in everything])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    if not bool(low < high):
        return [0.0] * len(samples)
    grid = _Grid(low, CELLS / (high - low))
    *counted, reference = [_Counted.on(grid, values) for values in everything]
    return [_largest_gap(grid, sample, reference) for sample in counted]


@dataclass(frozen=True)
class _Grid:
    """Cells of equal width, from the lowest value on."""

    low: Tensor
    scale: Tensor

    def cells(self, values: Tensor) -> Tensor:
        # Monotone, so that no cell holds a value that belongs below another cell's.
        return ((values - self.low) * self.scale).long().clamp_(max=CELLS - 1)


@dataclass(frozen=True)
class _Counted:
    """A sample (M,), the cell of each value (M,), and how many values each cell holds (CELLS,)."""

    values: Tensor
    cells: Tensor
    counts: Tensor

    @classmethod
    def on(cls, grid: _Grid, values: Tensor) -> _Counted:
        cells = grid.cells(values)
        return cls(values, cells, torch.bincount(cells, minlength=CELLS))

    @cached_property
    def rises(self) -> Tensor:
        """By how much the distribution function rises in each cell, (CELLS,)."""
        return self.counts.double() / len(self.values)

    @cached_property
    def at_ends(self) -> Tensor:
        """The distribution function at the end of each cell, (CELLS,)."""
        # Whole numbers are added up: exact, and in one order on every device.
        return self.counts.cumsum(0).double() / len(self.values)


def _largest_gap(grid: _Grid, first: _Counted, second: _Counted) -> float:
    samples = first, second
    rises = [sample.rises for sample in samples]
    at_ends = first.at_ends - second.at_ends
    largest = at_ends.abs().max()
    before = at_ends - rises[0] + rises[1]
    # Within a cell one function may rise before the other does.
    chosen = torch.maximum(before + rises[0], rises[1] - before) > largest
    inside = [sample.values[chosen[sample.cells]].sort().values for sample in samples]
    places = torch.cat(inside)
    if not len(places):
        return float(largest)
    cells = grid.cells(places)
    reached = [
        (
            sample.counts.masked_fill(chosen, 0).cumsum(0)[cells]
            + torch.searchsorted(values, places, right=True)
        ).double()
        / len(sample.values)
        for sample, values in zip(samples, inside, strict=True)
    ]
    return float(torch.maximum(largest, (reached[0] - reached[1]).abs().max()))


def ks_p_value(statistic: float, first: int, second: int) -> float:
    """Two-sided p as `scipy.stats.ks_2samp(method="asymp")` gives it, to 1e-7.

    SciPy takes this way by itself where a sample has more than 10,000 values, and counts exactly
    below; here it is always this one. The tail of large samples is expanded instead of summed.

    The values must be independent for p to be a probability. Distances of pairs are not, since
    pairs share images: the published p is this one, and it is too small.

    Args:
        statistic: What `ks_statistic` gave.
        first: Values in the first sample.
        second: Values in the second.

    Source: Simard and L'Ecuyer, Computing the two-sided Kolmogorov-Smirnov distribution, Journal
        of Statistical Software 39(11), 2011; the expansion: Chang, Bulletin of the Academy of
        Sciences of the USSR 19, 1955, here of the logarithm, which keeps it positive.
    """
    size = max(float(np.round(first * second / (first + second))), 1.0)
    z = statistic * size**0.5
    if size <= LARGE or z**2 < 2.2:
        return float(np.clip(stats.kstwo.sf(statistic, size), 0.0, 1.0))
    exponent = (
        -2 * z**2
        - 2 * z / (3 * size**0.5)
        + 4 * z**2 * (1 - z**2) / (9 * size)
        + (4 * z / 45 - 88 * z**3 / 405) / size**1.5
    )
    return float(2 * np.exp(exponent))
