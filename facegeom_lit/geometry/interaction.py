"""Attribute interaction: do two attributes move a face the same way? (GEOMETRY §1; [A])."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import blocks, check_points, normalized, tile_size
from facegeom_lit.geometry.statistics import bootstrap_interval


@torch.no_grad()
def interaction_matrix(fields: Tensor | Sequence[Tensor]) -> Tensor:
    """Mean over nodes of `1 − cos(v^a_c, v^b_c)` for every two attributes.

    Args:
        fields: Displacements of A attributes at the same C nodes, A times (C, D). A row of zeros
            (an attribute that has no curve at a node, or does not move it) has no direction and
            is left out of its pairs.

    Returns:
        Shape (A, A), float64, symmetric, in [0, 2]: 0 the same direction, 1 unrelated ones, 2
        opposed ones. The diagonal is 0 by definition. NaN where two attributes share no node
        (see `shared_nodes`).

    Raises:
        FaceGeomError: When shapes disagree or a value is not finite.

    Source: arXiv 2507.11372.

    Example:
        >>> fields = torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]], [[-3.0, 0.0]]])
        >>> interaction_matrix(fields)
        tensor([[0., 1., 2.],
                [1., 0., 1.],
                [2., 1., 0.]], dtype=torch.float64)
    """
    shared = shared_nodes(fields)
    cosines = shared.new_zeros(shared.shape, dtype=torch.float64)
    for rows in blocks(len(fields[0]), tile_size(fields[0])):
        directions = torch.stack([normalized(field[rows].double()).flatten() for field in fields])
        cosines += directions @ directions.T
    # 0/0, where no node is shared, is NaN: undefined.
    return (1.0 - cosines / shared).clamp(0.0, 2.0).fill_diagonal_(0.0)


def interaction_intervals(matrices: Tensor, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Average interaction matrices over identities, with 95 % bootstrap intervals.

    Args:
        matrices: Of each identity, shape (I, A, A); NaN where undefined.
        seed: Of the resampling.

    Returns:
        Mean, lower and upper end, each (A, A), float64; NaN where undefined.
    """
    ends = torch.full((3, *matrices.shape[1:]), torch.nan, dtype=torch.float64)
    for row in range(matrices.shape[1]):
        for column in range(row + 1):
            found = bootstrap_interval(matrices[:, row, column], seed=seed)
            for end, value in zip(ends, (found.value, found.low, found.high), strict=True):
                if value is not None:
                    end[row, column] = end[column, row] = value
    mean, low, high = ends
    return mean, low, high


def shared_nodes(fields: Tensor | Sequence[Tensor]) -> Tensor:
    """How many nodes every two attributes share.

    Args:
        fields: See `interaction_matrix`.

    Returns:
        Shape (A, A), int64; on the diagonal, each attribute's own.

    Raises:
        FaceGeomError: When shapes disagree or a value is not finite.
    """
    if len(fields) == 0:
        raise FaceGeomError("An interaction needs the field of at least one attribute.")
    for field in fields:
        check_points("fields", field)
        if field.shape != fields[0].shape:
            raise FaceGeomError(
                f"All fields must stand at the same nodes, got shapes {tuple(fields[0].shape)} "
                f"and {tuple(field.shape)}."
            )
    moves = torch.stack([(field != 0).any(dim=1) for field in fields]).double()
    return (moves @ moves.T).long()
