"""Images put in the order of their people, so that every count is one pass over rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.place_sums import place_sums


@dataclass(frozen=True)
class People:
    """Who each image shows, sorted by identity.

    Args:
        names: The different identities as they were given, increasing, shape (I,).
        order: Row of each image, identity by identity, shape (N,), int64.
        owner: Index into `names` of each image, in that order, shape (N,), int64.
    """

    names: Tensor
    order: Tensor
    owner: Tensor

    @classmethod
    def of(cls, identity: Tensor) -> People:
        """Sort.

        Args:
            identity: Integer identity of each image, shape (N,).

        Raises:
            FaceGeomError: When it is no integer vector, or empty.
        """
        if identity.ndim != 1 or identity.is_floating_point() or not len(identity):
            raise FaceGeomError(
                f"`identity` must hold an integer for each image, got {identity.dtype} of shape "
                f"{tuple(identity.shape)}."
            )
        names, dense = identity.unique(return_inverse=True)
        owner, order = dense.sort(stable=True)
        return cls(names, order, owner)

    @property
    def count(self) -> int:
        """How many identities there are."""
        return len(self.names)

    @cached_property
    def ends(self) -> Tensor:
        """One past the last image of each identity, in `order`, shape (I,), int64."""
        return torch.bincount(self.owner, minlength=self.count).cumsum(0)

    def sums(self, values: Tensor) -> Tensor:
        """Add up over the images of each identity.

        Args:
            values: One number for each image in `order`, shape (N,).

        Returns:
            Shape (I,), float64.
        """
        return place_sums(self.owner, values.double(), self.count)
