"""How far the distribution of generated faces is from that of their source."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import comparable

_ROWS = 32
"""Rows of a kernel matrix that are held at once."""


class _Features(nn.Identity):
    """Says to torchmetrics that what it is given are the features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def distance_features(embeddings: Tensor) -> Tensor:
    """Bring embeddings (N, D) to the length √D: the mean square of a feature is then 1.

    The kernel of `kernel_distance` becomes (1 + cosine)³.
    """
    return comparable(embeddings, "cosine") * embeddings.shape[1] ** 0.5


def frechet_distance(source: Tensor, generated: Tensor) -> float:
    """Fréchet distance of two normal distributions fitted to features (Heusel et al., 2017).

    The FID where the features are Inception's. It is biased upwards with few images: compare it
    with the same between two halves of the source, at equal numbers.

    Args:
        source: Features (N, D), N ≥ 2.
        generated: Features (M, D), M ≥ 2.

    Raises:
        FaceGeomError: When shapes do not fit.
    """
    _check(source, generated)
    metric = FrechetInceptionDistance(_Features(source.shape[1]))
    metric.set_dtype(torch.float64)
    metric.update(source.double(), real=True)
    metric.update(generated.double(), real=False)
    return float(metric.compute())


def kernel_distance(
    source: Tensor,
    generated: Tensor,
    source_groups: Tensor | None = None,
    generated_groups: Tensor | None = None,
) -> float:
    """Unbiased squared maximum mean discrepancy, kernel (x·y/D + 1)³ (Bińkowski et al., 2018).

    The KID where the features are Inception's, over all images and not over random subsets. It
    is 0 on average where the distributions are the same, hence sometimes below. That takes
    independent images, which several images of one person are not: pairs of one group are left
    out. Takes time O((N + M)² D); the kernels are summed in blocks of rows, in memory O(N + M)
    beside the features.

    Args:
        source: Features (N, D), N ≥ 2.
        generated: Features (M, D), M ≥ 2.
        source_groups: Person of each source image, (N,); None: all different.
        generated_groups: Person of each generated image, (M,).

    Raises:
        FaceGeomError: When shapes do not fit, or all images of a set are of one group.
    """
    _check(source, generated)
    x, y = source.double(), generated.double()
    within = _mean_kernel(x, source_groups) + _mean_kernel(y, generated_groups)
    between = sum(float(_kernel(rows, y).sum()) for rows in x.split(_ROWS)) / (len(x) * len(y))
    return within - 2 * between


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)


def _mean_kernel(x: Tensor, groups: Tensor | None) -> float:
    """Mean kernel over pairs of different groups."""
    groups = torch.arange(len(x), device=x.device) if groups is None else groups
    if bool((groups == groups[0]).all()):
        raise FaceGeomError("A distance of distributions needs images of two people in each set.")
    total, pairs = 0.0, 0
    for rows, own in zip(x.split(_ROWS), groups.split(_ROWS), strict=True):
        apart = own.unsqueeze(1) != groups
        total += float(_kernel(rows, x).mul_(apart).sum())
        pairs += int(apart.sum())
    return total / pairs


def _check(source: Tensor, generated: Tensor) -> None:
    shapes = tuple(source.shape), tuple(generated.shape)
    if source.ndim != 2 or generated.ndim != 2 or shapes[0][1] != shapes[1][1]:
        raise FaceGeomError(f"Features must be two matrices of equal width, got {shapes}.")
    if min(len(source), len(generated)) < 2:
        raise FaceGeomError(f"A distance of distributions needs two images each, got {shapes}.")
