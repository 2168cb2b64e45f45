"""Sums of paired embeddings: all that an affine fit needs, in O((p + q)²) memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import blocks, check_points

ROWS = 4096
"""Rows that are held in float64 at a time."""

FEW = 256
"""Rows below which mirroring a triangle costs more than it saves."""


@dataclass(frozen=True)
class Products:
    """Sums of products of paired rows `x` (p) and `y` (q), taken about some origin, in float64.

    Attributes:
        count: Number of pairs.
        xx: Σ xᵀx, shape (p, p).
        xy: Σ xᵀy, shape (p, q).
        yy: Σ yᵀy, shape (q, q).
    """

    count: int
    xx: Tensor
    xy: Tensor
    yy: Tensor

    def residual(self, matrix: Tensor) -> Tensor:
        """Σ|x W − y|² over the rows, for `matrix` W (p, q) or a stack of them (L, p, q)."""
        explained = (matrix * self.xy).sum(dim=(-2, -1))
        size = (matrix * (self.xx @ matrix)).sum(dim=(-2, -1))
        return self.yy.trace() - 2 * explained + size


@dataclass(frozen=True)
class Moments:
    """Count, mean and centred products of paired rows `(x, y)`, in float64; they add up.

    Products about the mean keep the digits that sums about zero would lose where a common mean is
    large; two of them are combined exactly (Chan, Golub, LeVeque 1983).

    Attributes:
        count: Number of pairs, shape ().
        mean: Mean of x and of y, one behind the other, shape (p + q,).
        products: Σ (row − mean)ᵀ(row − mean), shape (p + q, p + q).
        split: p, where y begins.
    """

    count: Tensor
    mean: Tensor
    products: Tensor
    split: int

    @classmethod
    def zeros(cls, p: int, q: int, device: torch.device | str = "cpu") -> Moments:
        """The moments of nothing."""
        shapes = (), (p + q,), (p + q, p + q)
        count, mean, products = (
            torch.zeros(shape, dtype=torch.float64, device=device) for shape in shapes
        )
        return cls(count, mean, products, p)

    @classmethod
    def of(cls, source: Tensor, target: Tensor) -> Moments:
        """The moments of rows of `source` (N, p) and `target` (N, q)."""
        moments = cls.zeros(source.shape[1], target.shape[1], source.device)
        moments.take(source, target)
        return moments

    @torch.no_grad()
    def take(self, source: Tensor, target: Tensor) -> None:
        """Add rows of `source` (N, p) and `target` (N, q) in place."""
        held = self.products.new_empty(min(len(source), ROWS) + 1, len(self.mean))
        for rows in blocks(len(source), ROWS):
            size = rows.stop - rows.start
            block = held[:size]
            block[:, : self.split] = source[rows]
            block[:, self.split :] = target[rows]
            mean = block.mean(dim=0)
            block -= mean
            step, before = mean - self.mean, self.count.clone()
            self.count.add_(size)
            self.mean.add_(step * (size / self.count))
            # The way between the two means enters the products as one more row.
            held[size] = step * (size * before / self.count).sqrt()
            _add_gram(self.products, held[: size + 1])

    @property
    def dimensions(self) -> tuple[int, int]:
        """Of x and of y: p, q."""
        return self.split, len(self.mean) - self.split

    @property
    def x_mean(self) -> Tensor:
        """Mean of x, shape (p,)."""
        return self.mean[: self.split]

    @property
    def y_mean(self) -> Tensor:
        """Mean of y, shape (q,)."""
        return self.mean[self.split :]

    def about(self, origin: Tensor | None = None) -> Products:
        """Sums of products of `row − origin`.

        Args:
            origin: A point of both spaces, shape (p + q,). None: the mean.
        """
        products = self.products
        if origin is not None:
            offset = self.mean - origin
            products = torch.addr(products, self.count * offset, offset)
        p = self.split
        return Products(int(self.count), products[:p, :p], products[:p, p:], products[p:, p:])

    def reversed(self) -> Moments:
        """The moments of `(y, x)`."""
        p = self.split
        mean = self.mean.roll(-p)
        products = self.products.roll((-p, -p), (0, 1))
        return Moments(self.count.clone(), mean, products, len(mean) - p)

    def flat(self) -> Tensor:
        """All numbers in one vector, for sending between processes."""
        return torch.cat([self.count[None], self.mean, self.products.flatten()])

    @classmethod
    def from_flat(cls, flat: Tensor, p: int, q: int) -> Moments:
        """What `flat` packed."""
        count, mean, products = flat.split([1, p + q, (p + q) ** 2])
        return cls(count[0], mean, products.view(p + q, p + q), p)

    def __add__(self, other: Moments) -> Moments:
        count = self.count + other.count
        share = other.count / count.clamp(min=1.0)
        step = other.mean - self.mean
        products = (self.products + other.products).addr_(self.count * share * step, step)
        return Moments(count, self.mean + share * step, products, self.split)


def sum_moments(several: Sequence[Moments]) -> Moments:
    """The moments of all their rows together."""
    return reduce(add, several)


def _add_gram(products: Tensor, rows: Tensor) -> None:
    if rows.device.type != "cpu" or len(rows) < FEW:
        products.addmm_(rows.T, rows)
    else:
        # NumPy computes only one triangle of a matrix times itself: two thirds of the time.
        array = rows.numpy()
        products.add_(torch.from_numpy(array.T @ array))


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
