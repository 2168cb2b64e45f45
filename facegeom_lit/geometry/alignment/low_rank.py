"""Reduced-rank ridge: the best map through few dimensions, for all ranks at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.alignment.folds import held_out
from facegeom_lit.geometry.alignment.moments import Moments, Products
from facegeom_lit.geometry.alignment.spectrum import Spectrum


class LowRank:
    """W of rank r that minimises |XW − Y|² + λ|W|² (Mukherjee & Zhu 2011), for every r.

    The ridge solution is projected on the top right singular vectors of the fitted values of the
    augmented problem, [X; √λ I] W.

    Args:
        spectrum: Of the fit.
        penalty: λ ≥ 0.

    Attributes:
        left: W of full rank times `right`, shape (p, k), k = min(p, q).
        right: Those singular vectors as columns, strongest first, shape (q, k).
    """

    def __init__(self, spectrum: Spectrum, penalty: float) -> None:
        inverse = spectrum.inverse(penalty).unsqueeze(1)
        # In an orthonormal basis of its columns the augmented fit is (Λ + λ)^-½ VᵀXᵀY.
        self.right = torch.linalg.svd(inverse.sqrt() * spectrum.targets, full_matrices=False)[2].T
        self.left = spectrum.vectors @ (inverse * (spectrum.targets @ self.right))

    def solution(self, rank: int) -> Tensor:
        """W of rank `rank`, shape (p, q).

        Raises:
            FaceGeomError: When the rank does not lie in [1, min(p, q)].
        """
        most = self.right.shape[1]
        if not 1 <= rank <= most:
            raise FaceGeomError(f"Argument `rank` must lie between 1 and {most}, got {rank}.")
        return self.left[:, :rank] @ self.right[:, :rank].T

    def errors(self, judged: Products) -> Tensor:
        """Σ|x W − y|² over other rows for every rank from 1, shape (k,)."""
        explained = (self.left * (judged.xy @ self.right)).sum(dim=0)
        size = (self.left * (judged.xx @ self.left)).sum(dim=0)
        return judged.yy.trace() + (size - 2 * explained).cumsum(dim=0)


def choose_rank(folds: Sequence[Moments], penalty: float, *, bias: bool) -> int:
    """The smallest rank whose error on other people is within one standard error of the least.

    The rule of Breiman, Friedman, Olshen & Stone (1984, §3.4.3); the error is the mean squared
    error of each fold, its standard error that of the folds' mean.

    Args:
        folds: Moments over disjoint sets of identities.
        penalty: λ ≥ 0.
        bias: Centre both sides.

    Raises:
        FaceGeomError: When fewer than two folds hold anything.
    """
    errors = torch.stack(
        [
            LowRank(fitted, penalty).errors(judged) / judged.count
            for fitted, judged in held_out(folds, bias)
        ]
    )
    means = errors.mean(dim=0)
    best = means.argmin()
    limit = means[best] + errors[:, best].std() / len(errors) ** 0.5
    return int((means <= limit).int().argmax()) + 1
