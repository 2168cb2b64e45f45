"""The eigenvectors of XᵀX: one decomposition gives least squares and ridge for every λ."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.geometry.alignment.moments import Products

FEWEST_ROUNDINGS = 64
"""Rounding of float32 embeddings alone leaves eigenvalues of some ten to thirty float64 roundings
of the largest, however many rows there are."""


class Spectrum:
    """Least squares in the eigenbasis of XᵀX, where every direction is fitted by itself.

    Args:
        products: Sums of products about the origin of the fit.

    Attributes:
        count: Number of pairs.
        values: Eigenvalues of XᵀX, increasing, shape (p,).
        vectors: Its eigenvectors as columns, shape (p, p).
        targets: vectorsᵀ XᵀY, shape (p, q).
        variance: Σ|y|².
    """

    def __init__(self, products: Products) -> None:
        values, self.vectors = torch.linalg.eigh(products.xx)
        self.values = values.clamp(min=0.0)
        self.targets = self.vectors.T @ products.xy
        self.variance = float(products.yy.trace())
        self.count = products.count

    def inverse(self, penalty: float) -> Tensor:
        """1 / (eigenvalue + λ), shape (p,).

        Where λ is 0, directions that the data never took are left out (0), which gives the
        solution of least norm.
        """
        if penalty > 0:
            return (self.values + penalty).reciprocal()
        size = max(len(self.values), FEWEST_ROUNDINGS)
        floor = self.values.max() * size * torch.finfo(torch.float64).eps
        return torch.where(self.values > floor, self.values.reciprocal(), 0.0)

    def solution(self, penalty: float) -> Tensor:
        """W that minimises |XW − Y|² + λ|W|², shape (p, q)."""
        return self.vectors @ (self.targets * self.inverse(penalty).unsqueeze(1))

    def generalised_errors(self, penalties: Tensor, used: int) -> Tensor:
        """n·RSS / (n − degrees of freedom)² for every λ (Golub, Heath & Wahba 1979).

        Args:
            penalties: λ > 0, shape (L,).
            used: Degrees of freedom that were used before the fit: 1 where rows were centred.

        Returns:
            Shape (L,); infinite where hardly any degree of freedom is left.
        """
        missing = penalties.unsqueeze(1) / (self.values + penalties.unsqueeze(1))
        explained = self.targets.square().sum(dim=1) * self.inverse(0.0)  # by least squares
        residual = missing.square() @ explained + (self.variance - explained.sum()).clamp(min=0.0)
        rest = self.count - used - (1 - missing).sum(dim=1)
        return torch.where(rest > 0.5, self.count * residual / rest.square(), torch.inf)

    def errors(self, penalties: Tensor, judged: Products) -> Tensor:
        """Σ|x W − y|² over other rows for every λ.

        Both sides are turned into the eigenbasis once; each λ then costs O(p²) only.

        Args:
            penalties: λ > 0, shape (L,).
            judged: Products of those rows about the origin of the fit.

        Returns:
            Shape (L,).
        """
        inverse = (self.values + penalties.unsqueeze(1)).reciprocal()
        explained = inverse @ (self.targets * (self.vectors.T @ judged.xy)).sum(dim=1)
        turned = self.vectors.T @ judged.xx @ self.vectors
        size = ((inverse @ (turned * (self.targets @ self.targets.T))) * inverse).sum(dim=1)
        return judged.yy.trace() - 2 * explained + size
