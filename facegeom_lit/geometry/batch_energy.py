"""The attribute energy of a mini-batch, with a gradient: what training can raise or lower."""

from __future__ import annotations

import torch
from torch import Tensor

NEAREST = 1e-3
"""Base points closer than this cosine distance weigh no more than at it: 1/d has no bound."""

SHORTEST = 1e-3
"""Displacements of unit embeddings are divided by no less than this: a direction that is rounding
must not send a gradient."""


def batch_energy(base: Tensor, field: Tensor, owners: Tensor) -> Tensor:
    """Mean energy of the curves in a batch, by the `inverse_distance` neighbourhood.

    As in `attribute_energy`, each curve meets the other curves of its identity, here those in the
    batch, weighted by one over the cosine distance of their base points. The weights are constants
    of the step: the gradient turns directions, and does not drive base points apart.

    Args:
        base: Unit embeddings of the middle images, shape (C, D).
        field: Displacements from `a − δ` to `a + δ` of unit embeddings, shape (C, D).
        owners: Identity of each curve, shape (C,).

    Returns:
        Scalar in [0, 2]; zero, without gradient, where no identity has two curves. Costs O(C²·D).

    Example:
        >>> base = torch.nn.functional.normalize(torch.eye(4) + 1, dim=1)
        >>> batch_energy(base, torch.eye(4), torch.tensor([0, 0, 1, 1]))
        tensor(1.)
    """
    # Half precision has three digits: one over the distance of near points would lose them.
    with torch.autocast(base.device.type, enabled=False):
        fellows = owners.unsqueeze(0) == owners.unsqueeze(1)
        fellows = fellows & ~torch.eye(len(owners), dtype=torch.bool, device=owners.device)
        with torch.no_grad():
            weights = fellows / (1 - base @ base.T).clamp(min=NEAREST)
            totals = weights.sum(dim=1, keepdim=True)
            connected = totals.squeeze(1) > 0
            weights = weights / totals.clamp(min=torch.finfo(weights.dtype).tiny)
        if not bool(connected.any()):
            return field.new_zeros(())
        lengths = torch.linalg.vector_norm(field, dim=1, keepdim=True)
        units = field / lengths.clamp(min=SHORTEST)
        cosines = (weights * (units @ units.T)).sum(dim=1)
        return 1 - cosines[connected].mean()


def batch_response(field: Tensor) -> Tensor:
    """Mean length of displacements (C, D), with a gradient that is zero where nothing moves.

    Example:
        >>> batch_response(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor(3.)
    """
    return torch.linalg.vector_norm(field, dim=1).mean()
