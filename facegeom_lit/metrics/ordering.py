"""An order of collected rows that does not tell in which order they came."""

from __future__ import annotations

import torch
from torch import Tensor

KEYS = 8
"""Numbers of a row that are compared: in half precision, one alone has many ties."""


def settled_order(rows: Tensor, labels: Tensor) -> Tensor:
    """Sort rows by some of their numbers, and equal ones by label.

    Whatever is drawn at random by a row's place is then the same for any batches, any order of
    them, and any number of processes.

    Args:
        rows: Shape (N, D).
        labels: Integer label of each row, shape (N,).

    Returns:
        Indexes of the rows, shape (N,), int64.
    """
    order = labels.argsort(stable=True)
    columns = torch.linspace(0, rows.shape[1] - 1, min(KEYS, rows.shape[1])).round().long()
    for column in columns.flip(0).tolist():  # the first one counts most
        order = order[rows[order, column].argsort(stable=True)]
    return order
