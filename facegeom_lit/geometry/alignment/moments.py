"""Sums of paired embeddings: all that an affine fit needs, in O(d²) memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import check_points


@dataclass(frozen=True)
class Moments:
    """Sums over paired rows `x` (p) and `y` (q), in float64; they add up over batches.

    Attributes:
        count: Number of pairs, shape ().
        x: Σx, shape (p,).
        y: Σy, shape (q,).
        xx: Σ xᵀx, shape (p, p).
        xy: Σ xᵀy, shape (p, q).
        yy: Σ|y|², shape ().
    """

    count: Tensor
    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor

    @classmethod
    def zeros(cls, p: int, q: int, device: torch.device | str = "cpu") -> Moments:
        """The sums over nothing."""
        shapes: list[tuple[int, ...]] = [(), (p,), (q,), (p, p), (p, q), ()]
        return cls(*(torch.zeros(s, dtype=torch.float64, device=device) for s in shapes))

    @classmethod
    def of(cls, source: Tensor, target: Tensor) -> Moments:
        """The sums over rows of `source` (N, p) and `target` (N, q)."""
        x, y = source.double(), target.double()
        count = torch.tensor(float(len(x)), dtype=torch.float64, device=x.device)
        return cls(count, x.sum(0), y.sum(0), x.T @ x, x.T @ y, y.square().sum())

    def tensors(self) -> tuple[Tensor, ...]:
        """The six sums in the order of the attributes."""
        return (self.count, self.x, self.y, self.xx, self.xy, self.yy)

    def flat(self) -> Tensor:
        """All sums in one vector, for sending between processes."""
        return torch.cat([tensor.flatten() for tensor in self.tensors()])

    @classmethod
    def from_flat(cls, flat: Tensor, p: int, q: int) -> Moments:
        """What `flat` packed."""
        empty = cls.zeros(p, q).tensors()
        parts = flat.split([tensor.numel() for tensor in empty])
        return cls(*(part.view(like.shape) for part, like in zip(parts, empty, strict=True)))

    def __add__(self, other: Moments) -> Moments:
        return Moments(*(a + b for a, b in zip(self.tensors(), other.tensors(), strict=True)))

    def __sub__(self, other: Moments) -> Moments:
        return Moments(*(a - b for a, b in zip(self.tensors(), other.tensors(), strict=True)))

    def centred(self, x_mean: Tensor, y_mean: Tensor) -> Moments:
        """The sums that rows `x − x_mean`, `y − y_mean` would have given."""
        n = self.count
        return Moments(
            n,
            self.x - n * x_mean,
            self.y - n * y_mean,
            self.xx
            - torch.outer(self.x, x_mean)
            - torch.outer(x_mean, self.x)
            + n * torch.outer(x_mean, x_mean),
            self.xy
            - torch.outer(self.x, y_mean)
            - torch.outer(x_mean, self.y)
            + n * torch.outer(x_mean, y_mean),
            self.yy - 2 * self.y @ y_mean + n * y_mean @ y_mean,
        )

    def residual(self, matrix: Tensor) -> Tensor:
        """Σ|x W − y|² over the rows, for `matrix` W (p, q) or a stack of them (L, p, q)."""
        explained = (matrix * self.xy).sum(dim=(-2, -1))
        size = (matrix * (self.xx @ matrix)).sum(dim=(-2, -1))
        return self.yy - 2 * explained + size


def check_pairs(source: Tensor, target: Tensor, groups: Tensor | None = None) -> None:
    """Raise FaceGeomError unless rows are finite and paired one to one."""
    check_points("source", source)
    check_points("target", target)
    if len(source) != len(target):
        raise FaceGeomError(
            f"`source` and `target` must embed the same images, got {len(source)} and "
            f"{len(target)} rows."
        )
    if groups is not None and (
        groups.shape != source.shape[:1] or groups.is_floating_point() or groups.dtype == torch.bool
    ):
        raise FaceGeomError(
            f"`groups` must hold one integer for each of the {len(source)} rows, got "
            f"{groups.dtype} of shape {tuple(groups.shape)}."
        )
