"""Sums of weights by place, in a form that every device can repeat to the last digit."""

from __future__ import annotations

import torch
from torch import Tensor


def place_sums(places: Tensor, weights: Tensor, count: int) -> Tensor:
    """Sum of the weights that fall on each place: a `bincount` with weights.

    On a GPU that one has no deterministic form, and `trainer.deterministic=true` refuses it;
    `index_add_` has one.

    Args:
        places: From 0 to `count` − 1, shape (N,), int32 or int64.
        weights: Shape (N,), float32 or float64.
        count: How many places there are.

    Returns:
        Shape (count,), of the weights' type.

    Example:
        >>> place_sums(torch.tensor([2, 0, 2]), torch.tensor([1.0, 2.0, 3.0]), 4)
        tensor([2., 0., 4., 0.])
    """
    if weights.device.type == "cpu":  # the quicker of the two there
        return torch.bincount(places, weights, minlength=count)
    return weights.new_zeros(count).index_add_(0, places, weights)
