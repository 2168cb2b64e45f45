"""The geometry of one attribute as a metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.lattice_geometry import LatticeGeometry, lattice_geometry
from facegeom_lit.geometry.neighborhood import Neighborhood, NeighborhoodName
from facegeom_lit.geometry.pairs.coupling import check_rules
from facegeom_lit.geometry.points import Distance, check_distance
from facegeom_lit.metrics.drawing import axis_of
from facegeom_lit.metrics.ordering import settled_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {
    "response": "response",
    "response_raw": "response_raw",
    "order": "order_parameter",
    "correlation_length": "correlation_length",
    "null": "null_mean",
    "null_z": "null_z",
    "leakage": "leakage",
}
"""Name in the result → field of `AttributeGeometry`."""


class AttributeEnergy(Metric):
    """Energy of one attribute and every measure beside it, averaged over identities.

    See `facegeom_lit.geometry.lattice_geometry`; collects all curves, so memory grows with their
    number. Under several processes a sampler that repeats curves to even out the shards would
    count them twice: use one that does not. Each process must take a batch, be it an empty one.

    Args:
        distance: The model's own distance.
        neighborhood: `ball`, `knn` or `inverse_distance`.
        radius: Of the ball, in units of the identity's mean distance.
        k: Of knn.
        include_self: Count a curve as a neighbour of itself.
        further: More neighbourhoods, each measured beside the main one.
        null_permutations: Permutations of the null, per identity; 0 = no null.
        **kwargs: Of `torchmetrics.Metric`.

    Raises:
        FaceGeomError: When an argument is out of range.

    Example:
        >>> metric = AttributeEnergy(distance="euclidean", neighborhood="knn")
        >>> middle = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
        >>> metric.update(torch.stack([middle - 1, middle, middle + 1], dim=1), torch.zeros(8))
        >>> found = metric.compute()
        >>> round(float(found["energy"]), 4), round(float(found["order"]), 4)
        (0.0, 1.0)
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
        further: Sequence[Neighborhood] = (),
        null_permutations: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_distance(distance)
        if null_permutations < 0:
            raise FaceGeomError(
                f"Argument `null_permutations` must be ≥ 0, got {null_permutations}."
            )
        self.distance = distance
        main = Neighborhood(neighborhood, radius=radius, k=k, include_self=include_self)
        self.rules = (main, *further)
        check_rules(self.rules)
        self.null_permutations = null_permutations
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

    def by_identity(self) -> LatticeGeometry:
        """Every measure of each identity; the one attribute is named `attribute`.

        Raises:
            FaceGeomError: When nothing was taken, or embeddings are not finite.
        """
        if not len(self.curves):
            raise FaceGeomError("AttributeEnergy has taken no curves: call `update` first.")
        curves, identities = dim_zero_cat(self.curves), dim_zero_cat(self.identities)
        # In whatever order they came, from one process or many: the null permutes the same rows.
        order = settled_order(curves.flatten(1), identities)
        curves, identities = curves[order], identities[order]
        rows = torch.arange(3 * len(curves), device=curves.device).view(-1, 3)
        return lattice_geometry(
            curves.flatten(0, 1),
            {"attribute": rows},
            {"attribute": identities},
            rules=self.rules,
            distance=self.distance,
            null_permutations=self.null_permutations,
        )

    def compute(self) -> dict[str, Tensor]:
        """Means over identities, as scalars; those that no identity has are absent.

        Returns:
            `energy` and `alignment` of the main neighbourhood, `energy/<label>` of each further
            one, `response`, `response_raw`, `order`, `correlation_length`, `null` and `null_z`
            (with permutations), `leakage` (with two identities); `curves`, `dropped`, `isolated`
            are sums.
        """
        measured = self.by_identity()
        name = "attribute"
        values = {"energy": measured.mean("energy", name)}
        if values["energy"] is not None:
            values["alignment"] = 1 - values["energy"]
        for rule in measured.rules[1:]:
            values[f"energy/{rule}"] = measured.mean("energy", name, rule)
        values |= {key: measured.mean(field, name) for key, field in MEASURES.items()}
        scalars = {key: torch.tensor(v) for key, v in values.items() if v is not None}
        counts = ("curves", "dropped", "isolated")
        return scalars | {key: measured.values(key, name).sum() for key in counts}

    def plot(
        self,
        val: dict[str, Tensor] | Sequence[dict[str, Tensor]] | None = None,
        ax: Axes | None = None,
    ) -> tuple[Figure, Axes]:
        """Draw the energy of each identity, a violin for each neighbourhood.

        Args:
            val: What `compute` returned, once or several times, drawn as TorchMetrics draws any
                value; None: the violins, of the curves taken.
            ax: Where to draw; None: a new figure.

        Returns:
            Figure and axes.
        """
        if val is not None:
            return self._plot(val, ax)  # type: ignore[return-value]
        measured = self.by_identity()
        figure, axis = axis_of(ax)
        for column, rule in enumerate(measured.rules):
            found = measured.values("energy", "attribute", rule)
            energies = found[~found.isnan()].numpy()
            if len(energies) > 1 and energies.min() < energies.max():
                axis.violinplot(energies, [column], showextrema=False)
            axis.plot([column] * len(energies), energies, "_", color="black", alpha=0.6)
        axis.axhline(1.0, color="gray", lw=0.8, ls="--")
        axis.set_xticks(range(len(measured.rules)), measured.rules)
        axis.set_ylabel("energy (1 = independent directions)")
        return figure, axis
