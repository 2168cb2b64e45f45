"""Whether embeddings look like those of a model: along the axes of its own covariance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor

from facegeom_lit.errors import FaceGeomError

FEWEST = 30
"""Embeddings whose variances along the axes can be told from noise."""
_NEGLIGIBLE = 1e-6
"""Axes with less than this share of the largest variance are left out: they may be rounding."""


@dataclass(frozen=True)
class Reading:
    """How embeddings look in the axes of a profile.

    Attributes:
        rows: How many were read.
        axes: How many axes were compared.
        agreement: Correlation, over the axes, of the logarithms of their variances with those of
            the profile: near 1 for the same model, near 0 for another one or for axes in another
            order; None for fewer than `FEWEST` rows.
        distance: Mean squared Mahalanobis distance, divided by the axes: 1 for the embeddings that
            the profile was made of.
    """

    rows: int
    axes: int
    agreement: float | None
    distance: float

    def __str__(self) -> str:
        agreement = "" if self.agreement is None else f"agreement of axes {self.agreement:.2f}, "
        return f"{agreement}Mahalanobis distance {self.distance:.2f}"

    @property
    def chance(self) -> float:
        """The agreement that another model does not reach: four standard errors of chance."""
        return 4 / self.axes**0.5


@dataclass(frozen=True)
class Profile:
    """Mean and covariance of a model's embeddings.

    The covariance is shrunk towards equal variances as Ledoit and Wolf (2004) do: of about as many
    embeddings as dimensions the plain one is nearly singular, and new ones would seem far away.

    Attributes:
        mean: (p,), float64.
        covariance: (p, p), float64.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> points = torch.randn(500, 64, generator=g) * torch.linspace(1, 5, 64)
        >>> profile = Profile.of(points[:250])
        >>> profile.read(points[250:]).agreement > 0.9
        True
        >>> profile.read(points[250:].flip(1)).agreement < profile.read(points).chance
        True
    """

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, points: Tensor) -> Profile:
        """The profile of embeddings (N, p), N ≥ 2."""
        points = points.double().cpu()
        return cls(points.mean(dim=0), torch.from_numpy(ledoit_wolf(points.numpy())[0]))

    @cached_property
    def _axes(self) -> tuple[Tensor, Tensor]:
        """Variances (k,) and directions (p, k) of the axes that matter."""
        variances, directions = torch.linalg.eigh(self.covariance)
        kept = variances > variances.max().clamp(min=0) * _NEGLIGIBLE
        if int(kept.sum()) < 2:
            raise FaceGeomError("The old model's embeddings vary in fewer than two directions.")
        return variances[kept], directions[:, kept]

    def read(self, points: Tensor) -> Reading:
        """Look at embeddings (N, p), N ≥ 1, in the axes of this profile."""
        variances, directions = self._axes
        along = (points.double().cpu() - self.mean) @ directions
        distance = float((along.square() / variances).mean())
        agreement = None
        if len(points) >= FEWEST:
            # About their own mean, which another sort of faces moves; below the smallest variance
            # of the profile, which is what shrinking made of none, nothing is known.
            found = along.var(dim=0).clamp(min=float(variances.min()))
            both = torch.stack([variances.log(), found.log()])
            agreement = float(torch.corrcoef(both)[0, 1].nan_to_num())
        return Reading(len(points), len(variances), agreement, distance)
