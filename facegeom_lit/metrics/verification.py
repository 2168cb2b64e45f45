"""1:1 verification over all pairs as a metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, check_distance
from facegeom_lit.geometry.verification import FARS, check_labels, verify


class VerificationMetrics(Metric):
    """AUC, EER and TAR@FAR over all pairs of the embeddings taken.

    See `facegeom_lit.geometry.verification`. Under several processes a sampler that repeats
    images to even out the shards would make genuine pairs of them: use one that does not.

    Args:
        distance: The model's own distance.
        fars: False accept rates in (0, 1).
        **kwargs: Of `torchmetrics.Metric`.

    Example:
        >>> metric = VerificationMetrics(fars=[0.5])
        >>> metric.update(torch.eye(2).repeat(2, 1), torch.tensor([0, 1, 0, 1]))
        >>> {name: float(value) for name, value in metric.compute().items()}
        {'auc': 1.0, 'eer': 0.0, 'tar@5e-1': 1.0, 'genuine': 2.0, 'impostor': 4.0}
    """

    is_differentiable = False
    higher_is_better = None  # AUC and TAR up, EER down
    full_state_update = False

    embeddings: list[Tensor]
    labels: list[Tensor]

    def __init__(
        self, distance: Distance = "cosine", fars: Sequence[float] = FARS, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_distance(distance)
        self.distance = distance
        self.fars = tuple(fars)
        self.add_state("embeddings", default=[], dist_reduce_fx="cat")
        self.add_state("labels", default=[], dist_reduce_fx="cat")

    def update(self, embeddings: Tensor, labels: Tensor) -> None:
        """Take a batch of raw embeddings (B, D) with their identities (B,).

        Raises:
            FaceGeomError: When rows are not finite or not labelled one to one.
        """
        check_labels(embeddings, labels)
        self.embeddings.append(embeddings.detach())
        self.labels.append(labels.detach())

    def compute(self) -> dict[str, Tensor]:
        """The measures of `verify`, as scalars; those that are None are absent.

        Raises:
            FaceGeomError: When nothing was taken, or there are no genuine or no impostor pairs.
        """
        if not len(self.embeddings):
            raise FaceGeomError("VerificationMetrics has taken nothing: call `update` first.")
        measures = verify(
            dim_zero_cat(self.embeddings),
            dim_zero_cat(self.labels),
            distance=self.distance,
            fars=self.fars,
        )
        return {name: torch.tensor(value) for name, value in measures.items() if value is not None}
