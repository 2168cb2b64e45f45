"""Folds over identities: which one a person belongs to, and judging on those left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.moments import Moments, Products, sum_moments
from facegeom_lit.geometry.alignment.spectrum import Spectrum
from facegeom_lit.geometry.points import blocks

FOLDS = 5

BLOCK = 16_384
"""Rows that are sorted into folds at a time."""

GOLDEN = 0x9E3779B97F4A7C15 - 2**64
"""2⁶⁴ divided by the golden ratio, as a signed integer that wraps around."""


def fold_of(groups: Tensor) -> Tensor:
    """The fold of each identity, the same in every batch and process.

    Fibonacci hashing (Knuth, The Art of Computer Programming 3, §6.4): numbers in sequence, or in
    steps, are spread evenly, which a remainder does not do (of ids 0, 5, 10 … it is always 0).

    Args:
        groups: Identities, integers of shape (N,).

    Returns:
        Integers in [0, 5), shape (N,).

    Example:
        >>> fold_of(torch.arange(5))
        tensor([0, 3, 1, 4, 2])
        >>> fold_of(torch.arange(0, 5000, 5)).bincount()
        tensor([202, 200, 198, 201, 199])
    """
    fraction = (groups.long() * GOLDEN) >> 33 & (2**31 - 1)
    return (fraction * FOLDS) >> 31


def take_by_fold(
    folds: Sequence[Moments], source: Tensor, target: Tensor, groups: Tensor | None
) -> None:
    """Add each row to the moments of its identity's fold, in place.

    Args:
        folds: Five moments.
        source: Shape (N, p).
        target: Shape (N, q).
        groups: Identities, integers of shape (N,). None: all rows go to the first fold.
    """
    if groups is None:
        folds[0].take(source, target)
        return
    folds_of_rows = fold_of(groups).to(source.device)
    for block in blocks(len(source), BLOCK):
        x, y, of = source[block], target[block], folds_of_rows[block]
        for index, moments in enumerate(folds):
            rows = (of == index).nonzero().flatten()
            moments.take(x[rows], y[rows])


def held_out(folds: Sequence[Moments], bias: bool) -> Iterator[tuple[Spectrum, Products]]:
    """Each fold's products about the origin of the others, and the spectrum of those others.

    Args:
        folds: Moments over disjoint sets of identities; empty ones are left out.
        bias: The origin is the mean of the fitted folds, else zero.

    Raises:
        FaceGeomError: When fewer than two folds hold anything.
    """
    folds = [fold for fold in folds if fold.count > 0]
    if len(folds) < 2:
        raise FaceGeomError(
            "Cross-validation over people (ridge='kfold', or a rank that is to be chosen) needs "
            "`groups` with identities in at least two folds. Give the identity of each row, or "
            "choose ridge='gcv' and a rank."
        )
    for index, judged in enumerate(folds):
        fitted = sum_moments(folds[:index] + folds[index + 1 :])
        origin = fitted.mean if bias else torch.zeros_like(fitted.mean)
        yield Spectrum(fitted.about(origin)), judged.about(origin)
