"""Rows about their mean, where there is anything to compare about it."""

from __future__ import annotations

from torch import Tensor

from facegeom_lit.errors import FaceGeomError

ROUNDING = 1e-12
"""Rows that differ by less than this share of their size differ by the rounding of their mean."""


def centred(points: Tensor) -> Tensor:
    """Take the mean away, in float64.

    Args:
        points: Rows, (N, D), one or more.

    Raises:
        FaceGeomError: When all rows are equal: what is left of them is rounding, which looks like
            any other set of points.
    """
    placed = points.double()
    rest = placed - placed.mean(dim=0)
    if float(rest.abs().max()) <= ROUNDING * float(placed.abs().max()):
        raise FaceGeomError(
            "A model gives all images the same embedding, which resembles nothing. Look for dead "
            "outputs in it."
        )
    return rest
