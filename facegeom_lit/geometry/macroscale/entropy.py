"""How much an attribute varies within a person, and how people differ in it."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.geometry.macroscale.people import People

BANDWIDTH = 0.1
"""Standard deviation of the kernel, in units of an attribute that runs from -1 to 1."""

POINTS = 101
"""Points on [-1, 1] at which the density is read."""


def entropies(shares: Tensor) -> Tensor:
    """Shannon entropy in nats along the last dimension.

    Args:
        shares: Not negative, each row of any positive sum, shape (..., K).

    Returns:
        Shape (...), float64.

    Example:
        >>> entropies(torch.tensor([1.0, 1.0])).exp()
        tensor(2., dtype=torch.float64)
    """
    shares = shares.double()
    shares = shares / shares.sum(dim=-1, keepdim=True)
    return -torch.special.xlogy(shares, shares).sum(dim=-1)


def entropy_by_identity(people: People, level: Tensor) -> Tensor:
    """Entropy of an attribute's levels among the images of each person.

    Args:
        people: Who the images show.
        level: Level of each image in `people.order`, shape (N,), int64; negative: unknown.

    Returns:
        Nats, shape (I,), float64; NaN for people of whom no image is known.
    """
    levels = max(int(level.max()) + 1, 1)
    known = level >= 0
    cells = people.owner[known] * levels + level[known]
    counts = torch.bincount(cells, minlength=people.count * levels)
    return entropies(counts.view(people.count, levels))


def mean_by_identity(people: People, values: Tensor) -> Tensor:
    """Mean of an attribute over the images of each person.

    Args:
        people: Who the images show.
        values: In `people.order`, shape (N,); NaN marks an unknown one.

    Returns:
        Shape (I,), float64; NaN for people of whom no value is known.
    """
    known = ~values.isnan()
    return people.sums(values.nan_to_num(0.0)) / people.sums(known)


def inter_entropy(means: Tensor, draws: Tensor | None = None) -> Tensor:
    """Entropy of the distribution of people's means: a Gaussian kernel density on a grid.

    The bandwidth is absolute, as in scikit-learn's `KernelDensity(bandwidth=0.1)`, which the
    published code takes. (SciPy's `gaussian_kde` would read 0.1 as a factor of the standard
    deviation, so that attributes of different spread were smoothed differently.)

    Args:
        means: Mean of each identity on [-1, 1], shape (I,).
        draws: How often each identity counts in each of R samples, shape (R, I); None: once.

    Returns:
        Nats, at most ln 101, shape (R,), or a scalar without `draws`; float64.

    Source: arXiv 2507.11372, section 4.1, and its code, `src_face/face/utils.py`.
    """
    values, place = means.double().unique(return_inverse=True)
    weights = means.new_ones(1, len(means)) if draws is None else draws
    counts = weights.new_zeros(len(weights), len(values)).index_add_(1, place, weights)
    grid = torch.linspace(-1, 1, POINTS, dtype=torch.float64, device=means.device)
    kernel = torch.exp(-((values[:, None] - grid) ** 2) / (2 * BANDWIDTH**2))
    found = entropies(counts.double() @ kernel)
    return found[0] if draws is None else found
