"""Solving an affine map from sums: Procrustes, least squares, ridge and the choice of λ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.moments import Moments

Method = Literal["none", "procrustes", "linear", "ridge"]

PENALTIES = 21
"""How many λ are tried, evenly in log from 1e-6 to 1e4 times the mean eigenvalue of XᵀX."""


def solve_affine(
    folds: Sequence[Moments],
    method: Method,
    *,
    bias: bool,
    ridge: float | str,
    scale: bool,
) -> tuple[Tensor, Tensor, float | None]:
    """Fit on the sum of all folds; the folds alone matter only to `ridge="kfold"`.

    Args:
        folds: Sums over disjoint sets of identities.
        method: See `affine.fit`.
        bias: Centre both sides.
        ridge: λ ≥ 0, "gcv" or "kfold".
        scale: Let `procrustes` scale too.

    Returns:
        Matrix (p, q), offset (q,), both float64, and the λ used (None for other methods).

    Raises:
        FaceGeomError: Without any pairs, for an unknown method, or where λ cannot be chosen.
    """
    if method not in get_args(Method):
        raise FaceGeomError(f"Argument `method` must be one of {get_args(Method)}, got {method!r}.")
    total = sum_moments(folds)
    if total.count == 0:
        raise FaceGeomError("An affine map cannot be fitted to no pairs of embeddings.")
    x_mean, y_mean = _means(total, bias)
    centred = total.centred(x_mean, y_mean)
    penalty: float | None = None
    if method == "none":
        matrix = torch.eye(*total.xy.shape, dtype=torch.float64, device=total.xy.device)
    elif method == "procrustes":
        matrix = _procrustes(centred, scale)
    elif method == "linear":
        matrix = _Spectrum(centred).least_squares()
    else:
        penalty = _choose_penalty(folds, centred, bias, ridge)
        matrix = _Spectrum(centred).ridge(penalty)
    return matrix, y_mean - x_mean @ matrix, penalty


def sum_moments(folds: Sequence[Moments]) -> Moments:
    """The sums over all folds together."""
    total = folds[0]
    for fold in folds[1:]:
        total = total + fold
    return total


class _Spectrum:
    """Eigenvectors of XᵀX: one decomposition serves every λ."""

    def __init__(self, sums: Moments) -> None:
        values, self.vectors = torch.linalg.eigh(sums.xx)
        self.values = values.clamp(min=0.0)
        self.targets = self.vectors.T @ sums.xy
        self.count = int(sums.count)

    def ridge(self, penalty: float) -> Tensor:
        if penalty == 0:
            return self.least_squares()
        return self.vectors @ (self.targets / (self.values + penalty).unsqueeze(1))

    def least_squares(self) -> Tensor:
        """The solution of least norm: directions that the data never took are left out."""
        size = max(self.count, len(self.values))
        floor = self.values.max() * size * torch.finfo(torch.float64).eps
        inverse = torch.where(self.values > floor, self.values.reciprocal(), 0.0)
        return self.vectors @ (self.targets * inverse.unsqueeze(1))

    def generalised_error(self, penalty: float, yy: Tensor, used: int) -> float:
        """n·RSS / (n − degrees of freedom)² (Golub, Heath & Wahba 1979)."""
        shrunk = self.values + penalty
        explained = self.targets.square().sum(dim=1) * (shrunk + penalty) / shrunk.square()
        rest = self.count - used - float((self.values / shrunk).sum())
        return self.count * float(yy - explained.sum()) / rest**2 if rest > 0.5 else float("inf")


def _procrustes(sums: Moments, scale: bool) -> Tensor:
    """U Vᵀ of XᵀY (Schönemann 1966); exact for p ≤ q, the usual convention for p > q."""
    left, strengths, right = torch.linalg.svd(sums.xy, full_matrices=False)
    matrix = left @ right
    if scale:
        mapped = (matrix * (sums.xx @ matrix)).sum()
        matrix = matrix * (strengths.sum() / mapped.clamp(min=torch.finfo(torch.float64).tiny))
    return matrix


def _choose_penalty(
    folds: Sequence[Moments], centred: Moments, bias: bool, ridge: float | str
) -> float:
    if not isinstance(ridge, str):
        if not 0 <= ridge < float("inf"):
            raise FaceGeomError(f"Argument `ridge` must be ≥ 0, got {ridge}.")
        return float(ridge)
    if ridge not in ("gcv", "kfold"):
        raise FaceGeomError(
            f"Argument `ridge` must be a number ≥ 0, 'gcv' or 'kfold', got {ridge!r}."
        )
    unit = float(centred.xx.trace()) / len(centred.xx)
    if unit == 0:
        return 1.0  # all source embeddings are equal: every λ gives the same map
    grid = [unit * 10.0**power for power in torch.linspace(-6, 4, PENALTIES).tolist()]
    if ridge == "gcv":
        spectrum = _Spectrum(centred)
        errors = [spectrum.generalised_error(p, centred.yy, int(bias)) for p in grid]
    else:
        errors = _fold_errors(folds, bias, grid)
    return grid[min(range(PENALTIES), key=errors.__getitem__)]


def _fold_errors(folds: Sequence[Moments], bias: bool, grid: Sequence[float]) -> list[float]:
    """Squared error on each fold of the map fitted on the others, summed, for every λ."""
    folds = [fold for fold in folds if fold.count > 0]
    if len(folds) < 2:
        raise FaceGeomError(
            "ridge='kfold' needs `groups` with identities in at least two folds. Give the identity "
            "of each row, or choose ridge='gcv'."
        )
    total = sum_moments(folds)
    errors = [0.0] * len(grid)
    for fold in folds:
        training = total - fold
        means = _means(training, bias)
        spectrum = _Spectrum(training.centred(*means))
        judged = fold.centred(*means)
        for index, penalty in enumerate(grid):
            errors[index] += float(judged.residual(spectrum.ridge(penalty)))
    return errors


def _means(sums: Moments, bias: bool) -> tuple[Tensor, Tensor]:
    if not bias:
        return torch.zeros_like(sums.x), torch.zeros_like(sums.y)
    return sums.x / sums.count, sums.y / sums.count
