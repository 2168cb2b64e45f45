"""Means and covariances of several models' scores, without making all the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import check_points


@dataclass(frozen=True)
class ScoreMoments:
    """Of the scores −|a − b|² of M models over the same pairs of images; float64.

    Attributes:
        genuine_mean: Over pairs of one person, (M,).
        genuine_covariance: Over the same, (M, M).
        impostor_mean: Over pairs of two people, (M,).
        impostor_covariance: Over the same, (M, M).
    """

    genuine_mean: Tensor
    genuine_covariance: Tensor
    impostor_mean: Tensor
    impostor_covariance: Tensor

    @property
    def spread(self) -> Tensor:
        """Standard deviation of each model's scores of different people, (M,)."""
        return self.impostor_covariance.diagonal().sqrt()

    def discriminant(self) -> Tensor:
        """Weights of the scores that part pairs of one person from others best (Fisher 1936).

        (mean of the two covariances)⁻¹ (genuine mean − impostor mean): scores of models that say
        the same share their weight. A negative weight, which only takes off another model's
        noise, is set to 0.

        Returns:
            Shape (M,), ≥ 0; a model whose scores never differ has weight 0.
        """
        covariance = (self.genuine_covariance + self.impostor_covariance) / 2
        gap = self.genuine_mean - self.impostor_mean
        # In units of each score's spread, so that no model's scale decides what is singular.
        unit = covariance.diagonal().sqrt()
        scale = torch.where(unit > 0, 1 / unit, 0.0)
        alike = covariance * scale * scale.unsqueeze(1)
        weights = torch.linalg.pinv(alike, hermitian=True) @ (gap * scale)
        return (weights * scale).clamp(min=0.0)


@torch.no_grad()
def score_moments(probes: Sequence[Tensor], gallery: Sequence[Tensor], own: Tensor) -> ScoreMoments:
    """Moments of every probe's scores against every gallery image, of one and of different people.

    Between templates of length 1, −|a − b|² = 2 cos − 2.

    A squared distance is a product of the longer rows (|a|², 1, −2a) and (1, |b|², b), so sums over
    all pairs follow from sums over rows, in O((P + G) D²) and without P × G matrices.

    Args:
        probes: Of each model, (P, D_m).
        gallery: Of each model, one image of each person, (G, D_m), G ≥ 2.
        own: Row of the gallery with each probe's own person, int64 (P,).

    Raises:
        FaceGeomError: When templates are not finite, or there are no two different people.

    Example:
        >>> points = torch.tensor([[0.0], [1.0], [3.0]])
        >>> found = score_moments([points], [points], torch.arange(3))
        >>> round(float(found.impostor_mean), 4)  # of −1, −9 and −4
        -4.6667
    """
    left, right = [], []
    for a, b in zip(probes, gallery, strict=True):
        check_points("probes", a)
        check_points("gallery", b)
        if len(b) < 2 or not len(a):
            raise FaceGeomError(
                f"Scores of different people need a probe and two people in the gallery, got "
                f"{len(a)} probes and {len(b)} people."
            )
        mean = b.double().mean(dim=0)  # changes no distance, and saves digits
        a, b = a.double() - mean, b.double() - mean
        squares, others = a.square().sum(1, keepdim=True), b.square().sum(1, keepdim=True)
        left.append(torch.cat([-squares, -torch.ones_like(squares), 2 * a], dim=1))
        right.append(torch.cat([torch.ones_like(others), others, b], dim=1))
    own = own.to(right[0].device)
    genuine = torch.stack([(a * b[own]).sum(1) for a, b in zip(left, right, strict=True)], dim=1)
    sums = torch.stack([a.sum(0) @ b.sum(0) for a, b in zip(left, right, strict=True)])
    products = sums.new_zeros(len(left), len(left))
    for i in range(len(left)):
        for j in range(i + 1):
            products[i, j] = ((left[i].T @ left[j]) * (right[i].T @ right[j])).sum()
            products[j, i] = products[i, j]
    count = len(left[0]) * (len(right[0]) - 1)
    mean = (sums - genuine.sum(0)) / count
    covariance = (products - genuine.T @ genuine) / count - mean.outer(mean)
    covariance.diagonal().clamp_(min=0.0)  # of equal scores, rounding may leave less than nothing
    apart = genuine - genuine.mean(0)
    return ScoreMoments(genuine.mean(0), apart.T @ apart / len(apart), mean, covariance)
