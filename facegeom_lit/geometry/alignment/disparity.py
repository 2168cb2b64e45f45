"""How far two models' spaces are from being rotations of each other."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.geometry.alignment.centred import centred
from facegeom_lit.geometry.alignment.moments import check_pairs


def procrustes_disparity(first: Tensor, second: Tensor) -> float:
    """Procrustes disparity, as SciPy's `scipy.spatial.procrustes` defines it.

    Both sets are centred and scaled to a sum of squares of 1; the disparity is what remains of it
    after the best rotation and scale: 1 − (Σ singular values of XᵀY)². 0 for spaces that differ by
    a rotation, a shift and a scale; towards 1 for unrelated ones, but well below it where images
    are not many more than dimensions: judge it beside its null. Where dimensions differ, zeros pad
    the smaller, which changes no singular value.

    Args:
        first: Embeddings of the one model, shape (N, p).
        second: Embeddings of the other of the same images, shape (N, q).

    Returns:
        In [0, 1], the same both ways.

    Raises:
        FaceGeomError: When rows are not finite or not paired, or all equal.

    Example:
        >>> points = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        >>> round(procrustes_disparity(points, 3 * points.flip(1) + 1), 6)
        0.0
    """
    check_pairs(first, second)
    x, y = centred(first), centred(second)
    return disparity_of(x.T @ y, x.square().sum(), y.square().sum())


def disparity_of(cross: Tensor, first: Tensor, second: Tensor, *, rough: bool = False) -> float:
    """Disparity from XᵀY (p, q) and the sums of squares of centred X and Y.

    Args:
        cross: XᵀY, float64.
        first: Σ|x|² > 0.
        second: Σ|y|² > 0.
        rough: Take the singular values from eigenvalues: a third less time, five digits.
    """
    if rough:
        square = cross @ cross.T if len(cross) <= cross.shape[1] else cross.T @ cross
        strengths = torch.linalg.eigvalsh(square).clamp(min=0.0).sqrt()
    else:
        strengths = torch.linalg.svdvals(cross)
    share = float(strengths.sum()) / (float(first) ** 0.5 * float(second) ** 0.5)
    return min(max(1 - share**2, 0.0), 1.0)
