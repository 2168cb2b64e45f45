"""Attribute alignment energy as a metric."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.lattice_energy import LatticeEnergy, lattice_energies
from facegeom_lit.geometry.neighborhood import Neighborhood, NeighborhoodName
from facegeom_lit.geometry.points import Distance


class AttributeEnergy(Metric):
    """Energy and response of one attribute, averaged over identities.

    See `facegeom_lit.geometry.energy`; collects all curves, so memory grows with their number.

    Args:
        distance: The model's own distance.
        neighborhood: `ball`, `knn` or `inverse_distance`.
        radius: Of the ball, in units of the identity's mean distance.
        k: Of knn.
        include_self: Count a curve as a neighbour of itself.
        **kwargs: Of `torchmetrics.Metric`.

    Raises:
        FaceGeomError: When an argument is out of range.

    Example:
        >>> metric = AttributeEnergy(distance="euclidean", neighborhood="knn")
        >>> middle = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
        >>> metric.update(torch.stack([middle - 1, middle, middle + 1], dim=1), torch.zeros(8))
        >>> round(float(metric.compute()["energy"]), 4)
        0.0
    """

    is_differentiable = False
    higher_is_better = None  # a goal of invariance wants it high, one of sensitivity low
    full_state_update = False

    curves: list[Tensor]
    identities: list[Tensor]

    def __init__(
        self,
        distance: Distance = "cosine",
        neighborhood: NeighborhoodName = "ball",
        radius: float = 0.6,
        k: int = 10,
        include_self: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rule = Neighborhood(neighborhood, distance, radius, k, include_self)
        self.add_state("curves", default=[], dist_reduce_fx="cat")
        self.add_state("identities", default=[], dist_reduce_fx="cat")

    def update(self, curves: Tensor, identities: Tensor) -> None:
        """Take curves.

        Args:
            curves: Raw embeddings of the three steps, shape (C, 3, D).
            identities: Identity of each curve, shape (C,).

        Raises:
            FaceGeomError: When the shapes disagree.
        """
        if curves.ndim != 3 or curves.shape[1] != 3 or identities.shape != curves.shape[:1]:
            raise FaceGeomError(
                f"Curves must have shape (C, 3, D) with one identity each, got "
                f"{tuple(curves.shape)} and {tuple(identities.shape)}."
            )
        self.curves.append(curves.detach())
        self.identities.append(identities.detach().long())

    def by_identity(self) -> LatticeEnergy:
        """Energy, response and counts of each identity.

        Raises:
            FaceGeomError: When nothing was taken, or embeddings are not finite.
        """
        if not len(self.curves):
            raise FaceGeomError("AttributeEnergy has taken no curves: call `update` first.")
        curves, identities = dim_zero_cat(self.curves), dim_zero_cat(self.identities)
        rows = torch.arange(3 * len(curves), device=curves.device).view(-1, 3)
        return lattice_energies(
            curves.flatten(0, 1),
            {"": rows},
            {"": identities},
            distance=self.rule.distance,
            neighborhood=self.rule.name,
            radius=self.rule.radius,
            k=self.rule.k,
            include_self=self.rule.include_self,
            null_permutations=0,
        )[""]

    def compute(self) -> dict[str, Tensor]:
        """Means over identities, as scalars.

        Returns:
            `response` and `response_raw`, and `energy` and `alignment` where at least one
            identity has an energy; `curves`, `dropped`, `isolated` are sums.
        """
        measured = self.by_identity()
        values = {name: measured.mean(name) for name in ("energy", "response", "response_raw")}
        if values["energy"] is not None:
            values["alignment"] = 1 - values["energy"]
        scalars = {name: torch.tensor(v) for name, v in values.items() if v is not None}
        counts = ("curves", "dropped", "isolated")
        return scalars | {name: getattr(measured, name).sum() for name in counts}
