"""Batches that hold whole curves of an identity together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from facegeom_lit.faces.sampler import IdentityBatchSampler


class CurveBatchSampler(IdentityBatchSampler):
    """Draws curves as `IdentityBatchSampler` draws images, and yields the images of each in order.

    Args:
        labels: int64 (N,) identity of each row.
        curves: int64 (C, 3) rows at `a − δ`, `a`, `a + δ`.
        identities_per_batch: P.
        curves_per_identity: K, at least 2; a batch has P·K·3 images.
        seed: Together with the epoch it decides everything.
        **kwargs: Of `IdentityBatchSampler`.

    Raises:
        FaceGeomError: When an identity has a single curve, or there are too few curves.
    """

    def __init__(
        self,
        labels: Tensor,
        curves: Tensor,
        identities_per_batch: int,
        curves_per_identity: int,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        self.curves = curves
        owners = labels[curves[:, 1]]
        super().__init__(
            owners, identities_per_batch, curves_per_identity, seed, unit="curve", **kwargs
        )

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the rows of one batch after another: identity by identity, curve by curve."""
        for batch in super().__iter__():
            yield self.curves[batch].flatten().tolist()
