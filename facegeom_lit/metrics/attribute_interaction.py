"""Which attributes move a face the same way, as a metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.lattice_geometry import lattice_geometry
from facegeom_lit.geometry.points import Distance, check_distance
from facegeom_lit.metrics.drawing import axis_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class AttributeInteraction(Metric):
    """Mean of `1 − cos` of the displacements along every two attributes at the same node.

    See `facegeom_lit.geometry.interaction`; collects all nodes, so memory grows with their number.

    Args:
        attributes: Names of the A attributes.
        distance: The model's own distance.
        **kwargs: Of `torchmetrics.Metric`.

    Raises:
        FaceGeomError: When an argument is out of range.

    Example:
        >>> metric = AttributeInteraction(["age", "pose"], distance="euclidean")
        >>> step = torch.eye(4)[[0, 0, 1, 1]] * torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
        >>> middle = torch.randn(8, 1, 4, generator=torch.Generator().manual_seed(0))
        >>> metric.update(torch.cat([middle, middle + step], dim=1), torch.zeros(8))
        >>> metric.compute()
        tensor([[0., 1.],
                [1., 0.]], dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    nodes: list[Tensor]
    identities: list[Tensor]

    def __init__(
        self, attributes: Sequence[str], distance: Distance = "cosine", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_distance(distance)
        if not attributes or len(set(attributes)) < len(attributes):
            raise FaceGeomError(
                f"Argument `attributes` must name at least one attribute, each once, got "
                f"{list(attributes)}."
            )
        self.attributes = tuple(attributes)
        self.distance = distance
        self.add_state("nodes", default=[], dist_reduce_fx="cat")
        self.add_state("identities", default=[], dist_reduce_fx="cat")

    def update(self, nodes: Tensor, identities: Tensor) -> None:
        """Take nodes.

        Args:
            nodes: Raw embeddings of the middle image, then `a − δ` and `a + δ` of each attribute
                in their order, shape (B, 1 + 2·A, D).
            identities: Identity of each node, shape (B,).

        Raises:
            FaceGeomError: When the shapes disagree.
        """
        images = 1 + 2 * len(self.attributes)
        if nodes.ndim != 3 or nodes.shape[1] != images or identities.shape != nodes.shape[:1]:
            raise FaceGeomError(
                f"Nodes must have shape (B, {images}, D) with one identity each, got "
                f"{tuple(nodes.shape)} and {tuple(identities.shape)}."
            )
        self.nodes.append(nodes.detach())
        self.identities.append(identities.detach().long())

    def compute(self) -> Tensor:
        """The matrix averaged over identities, shape (A, A), float64; NaN where undefined.

        Raises:
            FaceGeomError: When nothing was taken, or embeddings are not finite.
        """
        if not len(self.nodes):
            raise FaceGeomError("AttributeInteraction has taken no nodes: call `update` first.")
        nodes, identities = dim_zero_cat(self.nodes), dim_zero_cat(self.identities)
        middle = torch.arange(len(nodes), device=nodes.device) * nodes.shape[1]
        curves = {
            name: torch.stack([middle + 1 + 2 * i, middle, middle + 2 + 2 * i], dim=1)
            for i, name in enumerate(self.attributes)
        }
        geometry = lattice_geometry(
            nodes.flatten(0, 1),
            curves,
            dict.fromkeys(self.attributes, identities),
            distance=self.distance,
            null_permutations=0,
        )
        return geometry.mean_interaction()

    def plot(self, val: Tensor | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
        """Draw the matrix.

        Args:
            val: What `compute` returned; None: of the nodes taken.
            ax: Where to draw; None: a new figure.

        Returns:
            Figure and axes.
        """
        matrix = self.compute() if val is None else val
        figure, axis = axis_of(ax)
        image = axis.imshow(matrix.cpu().numpy(), vmin=0.0, vmax=2.0, cmap="RdBu_r")
        ticks = range(len(self.attributes))
        axis.set_xticks(ticks, self.attributes, rotation=45, ha="right")
        axis.set_yticks(ticks, self.attributes)
        figure.colorbar(image, ax=axis, label="1 − cos (1 = unrelated directions)")
        return figure, axis
