"""Choosing λ of a ridge fit: generalised cross-validation, or k folds over people."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.folds import held_out
from facegeom_lit.geometry.alignment.moments import Moments
from facegeom_lit.geometry.alignment.spectrum import Spectrum

DECADES = (-10, 4)
"""λ are tried from 1e-10 to 1e4 times the mean eigenvalue of XᵀX, two a decade."""


def penalty_grid(spectrum: Spectrum) -> Tensor:
    """The λ that are tried, shape (29,), increasing.

    Face models do hold directions of 1e-8 of the mean variance that predict another model's
    embeddings of new people. Below 1e-10 (1e-5 of the spread) there is rounding, and a smaller λ
    is least squares; beyond the last one a map only gets shorter, W ∝ XᵀY. So the best λ may lie
    at an end, and the grid needs no widening.
    """
    low, high = DECADES
    powers = torch.linspace(low, high, 2 * (high - low) + 1, dtype=torch.float64)
    return spectrum.values.mean() * 10.0 ** powers.to(spectrum.values.device)


def choose_penalty(
    folds: Sequence[Moments], spectrum: Spectrum, ridge: float | str, *, bias: bool
) -> float:
    """λ as it is given, or the best one of the grid.

    Args:
        folds: Moments over disjoint sets of identities, for "kfold".
        spectrum: Of all of them.
        ridge: λ ≥ 0; "gcv": least generalised error, one decomposition for all λ; "kfold": least
            squared error on the identities of each fold of the map fitted on the others, one
            decomposition a fold for all λ.
        bias: Centre both sides.

    Raises:
        FaceGeomError: When `ridge` is none of these, or there are no folds.
    """
    if not isinstance(ridge, str):
        if not 0 <= ridge < float("inf"):
            raise FaceGeomError(f"Argument `ridge` must be ≥ 0, got {ridge}.")
        return float(ridge)
    if ridge not in ("gcv", "kfold"):
        raise FaceGeomError(
            f"Argument `ridge` must be a number ≥ 0, 'gcv' or 'kfold', got {ridge!r}."
        )
    grid = penalty_grid(spectrum)
    if grid[0] == 0:
        return 1.0  # all source embeddings are equal: every λ gives the same map
    if ridge == "gcv":
        errors = spectrum.generalised_errors(grid, int(bias))
    else:
        errors = torch.stack(
            [fitted.errors(grid, judged) for fitted, judged in held_out(folds, bias)]
        ).sum(dim=0)
    return float(grid[errors.argmin()])
