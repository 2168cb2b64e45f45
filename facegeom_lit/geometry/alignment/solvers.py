"""Solving an affine map from moments, whatever its method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.affine_map import AffineMap
from facegeom_lit.geometry.alignment.low_rank import LowRank, choose_rank
from facegeom_lit.geometry.alignment.moments import Moments, sum_moments
from facegeom_lit.geometry.alignment.penalty import choose_penalty
from facegeom_lit.geometry.alignment.procrustes import procrustes
from facegeom_lit.geometry.alignment.spectrum import Spectrum

Method = Literal["none", "procrustes", "linear", "ridge", "low_rank"]


def solve_affine(
    folds: Sequence[Moments],
    method: Method,
    *,
    bias: bool,
    ridge: float | str,
    scale: bool,
    rank: int | None,
) -> AffineMap:
    """Fit on all folds together; the folds alone matter only where λ or a rank is chosen by them.

    Args:
        folds: Moments over disjoint sets of identities.
        method: See `affine.fit`, as all others.
        bias: Centre both sides.
        ridge: λ ≥ 0, "gcv" or "kfold".
        scale: Let `procrustes` scale too.
        rank: Of `low_rank`; None: chosen.

    Raises:
        FaceGeomError: Without any pairs, for an unknown method, or where λ or a rank is out of
            range or cannot be chosen.
    """
    if method not in get_args(Method):
        raise FaceGeomError(f"Argument `method` must be one of {get_args(Method)}, got {method!r}.")
    if method == "low_rank":
        return solve_low_rank(folds, [rank], bias=bias, ridge=ridge)[0]
    fit = _Fit(folds, bias)
    if method == "none":
        eye = torch.eye(*fit.total.dimensions, dtype=torch.float64, device=fit.origin.device)
        return fit.map(eye, method)
    if method == "procrustes":
        return fit.map(procrustes(fit.products, scale=scale), method, scale=scale)
    spectrum = Spectrum(fit.products)
    if method == "linear":
        return fit.map(spectrum.solution(0.0), method)
    penalty = choose_penalty(folds, spectrum, ridge, bias=bias)
    return fit.map(spectrum.solution(penalty), method, ridge=penalty)


def solve_low_rank(
    folds: Sequence[Moments], ranks: Sequence[int | None], *, bias: bool, ridge: float | str
) -> list[AffineMap]:
    """Reduced-rank ridge of several ranks; λ is chosen once, for the full rank.

    Args:
        folds: Moments over disjoint sets of identities.
        ranks: Each between 1 and min(p, q); None: chosen by the folds.
        bias: Centre both sides.
        ridge: λ ≥ 0, "gcv" or "kfold".

    Raises:
        FaceGeomError: As `solve_affine`.
    """
    fit = _Fit(folds, bias)
    spectrum = Spectrum(fit.products)
    penalty = choose_penalty(folds, spectrum, ridge, bias=bias)
    low = LowRank(spectrum, penalty)
    maps = []
    for rank in ranks:
        used = choose_rank(folds, penalty, bias=bias) if rank is None else rank
        maps.append(fit.map(low.solution(used), "low_rank", ridge=penalty, rank=used))
    return maps


class _Fit:
    """What every method starts from and ends with."""

    def __init__(self, folds: Sequence[Moments], bias: bool) -> None:
        self.total = sum_moments(folds)
        self.bias = bias
        if self.total.count == 0:
            raise FaceGeomError("An affine map cannot be fitted to no pairs of embeddings.")
        self.origin = self.total.mean if bias else torch.zeros_like(self.total.mean)
        self.products = self.total.about(None if bias else self.origin)

    def map(
        self,
        matrix: Tensor,
        method: Method,
        *,
        ridge: float | None = None,
        rank: int | None = None,
        scale: bool = False,
    ) -> AffineMap:
        matrix = matrix.float()
        x, y = self.origin.split(list(self.total.dimensions))
        offset = (y - x @ matrix.double()).float()  # so that W's rounding does not move the mean
        count = self.products.count
        return AffineMap(matrix, offset, method, self.bias, ridge, count, rank, scale)
