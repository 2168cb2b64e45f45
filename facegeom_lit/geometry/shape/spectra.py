"""PCA spectra: how many directions carry a cloud's variance (GEOMETRY §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import check_points


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The variances of a cloud along its principal components.

    Args:
        eigenvalues: Of the covariance, float64 (min(N - 1, D),), largest first, never negative.
        count: Points of the cloud.
    """

    eigenvalues: Tensor
    count: int

    @property
    def participation_ratio(self) -> float | None:
        """(Σλ)² / Σλ²: D where D equal ones carry all, 1 where one does; None without variance."""
        squares = float(self.eigenvalues.square().sum())
        return float(self.eigenvalues.sum()) ** 2 / squares if squares else None

    @property
    def effective_rank(self) -> float | None:
        """Exponential of the entropy of the shares of variance; None without any variance.

        Source: Roy, Vetterli. The effective rank: a measure of effective dimensionality. EUSIPCO
        2007; there of singular values, here of variances, as the participation ratio is.
        """
        total = float(self.eigenvalues.sum())
        if not total:
            return None
        shares = self.eigenvalues / total
        return float(torch.special.entr(shares).sum().exp())

    def components(self, share: float) -> int:
        """How many components carry a share of the variance.

        Args:
            share: In (0, 1].

        Example:
            >>> Spectrum(torch.tensor([6.0, 3.0, 1.0]), 100).components(0.85)
            2
        """
        carried = self.eigenvalues.cumsum(0)
        if not len(carried) or not carried[-1]:
            return 0
        return int((carried < share * carried[-1] * (1 - 1e-12)).sum()) + 1


def pca_spectrum(points: Tensor) -> Spectrum:
    """Compute the spectrum of a cloud's covariance, about the cloud's own mean.

    Exact and whole: O(N·D·min(N, D)) time, and beside the points (float64) min(N, D)² numbers.

    Args:
        points: Shape (N, D), N ≥ 2; normalise the rows first where the model is compared by cosine,
            as `clouds` does.

    Raises:
        FaceGeomError: With fewer than 2 points, or rows that are not finite.

    Example:
        >>> corners = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
        >>> pca_spectrum(corners).participation_ratio
        2.0
    """
    check_points("points", points)
    count, width = points.shape
    if count < 2:
        raise FaceGeomError(f"A spectrum needs at least 2 points, got {count}.")
    centred = points.double() - points.double().mean(0)
    # The smaller of the two product matrices has the same eigenvalues, but for zeros.
    products = centred.T @ centred if width <= count else centred @ centred.T
    values = torch.linalg.eigvalsh(products / (count - 1)).flip(0).clamp(min=0.0)
    return Spectrum(values[: min(count - 1, width)].cpu(), count)


def cloud_spectra(clouds: Mapping[str, Tensor]) -> dict[str, Spectrum]:
    """Return the spectrum of every cloud that has at least 2 points, by the cloud's name."""
    return {name: pca_spectrum(points) for name, points in clouds.items() if len(points) > 1}
