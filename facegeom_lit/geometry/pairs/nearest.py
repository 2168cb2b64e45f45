"""The smallest keys of each row of a matrix that is only ever seen block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

GROUP = 32
"""Keys whose minimum is looked at before they are: most groups hold nothing small enough."""


@dataclass(frozen=True)
class Found:
    """Entries of a block that may be among the smallest of their line.

    Attributes:
        line: Of each entry, increasing, shape (N,), int64.
        key: Shape (N,).
        place: Of each entry in the flattened block, shape (N,), int64.
    """

    line: Tensor
    key: Tensor
    place: Tensor


def both(first: Found, second: Found) -> Found:
    """Entries of two sets of lines, of which the first comes before the second."""
    return Found(
        torch.cat([first.line, second.line]),
        torch.cat([first.key, second.key]),
        torch.cat([first.place, second.place]),
    )


class Nearest:
    """Keeps the `count` smallest keys of each line, with values that come along.

    Args:
        lines: How many lines there are.
        count: How many keys a line keeps.
        values: How many values each key carries.
        device: Where they are.

    Attributes:
        keys: Shape (lines, count), increasing along a line; infinity where fewer were seen.
        values: Shape (values, lines, count).
    """

    def __init__(self, lines: int, count: int, values: int, device: torch.device) -> None:
        self.keys = torch.full((lines, count), torch.inf, device=device)
        self.values = torch.zeros((values, lines, count), device=device)

    def first(self, block: Tensor, start: int) -> Found:
        """Candidates of a first block of some lines.

        Args:
            block: Shape (N, M), M a multiple of `GROUP`.
            start: First of the N lines.
        """
        kept = self.keys.shape[1]
        lowest = block.view(block.shape[0], -1, GROUP // 4).amin(dim=2)
        if kept > lowest.shape[1]:
            worst = torch.full_like(lowest[:, 0], torch.inf)
        else:
            # So many groups hold a key up to here: nothing beyond can be kept.
            worst = lowest.topk(kept, dim=1, largest=False).values[:, -1]
            worst = worst.nextafter(torch.full_like(worst, torch.inf))
        return self._below(block, worst, start)

    def in_rows(self, block: Tensor, start: int) -> Found:
        """Candidates of a further block whose rows are these lines.

        Args:
            block: Shape (N, M), M a multiple of `GROUP`.
            start: First of the N lines.
        """
        return self._below(block, self.keys[start : start + block.shape[0], -1], start)

    def in_columns(self, block: Tensor, start: int) -> Found:
        """Candidates of a further block whose columns are these lines.

        Args:
            block: Shape (N, M), N a multiple of `GROUP`.
            start: First of the M lines.
        """
        worst = self.keys[start : start + block.shape[1], -1]
        groups = block.view(-1, GROUP, block.shape[1])
        column, group = (groups.amin(dim=1) < worst).T.nonzero(as_tuple=True)
        keys = groups[group, :, column]
        which, offset = (keys < worst[column].unsqueeze(1)).nonzero(as_tuple=True)
        column = column[which]
        places = (group[which] * GROUP + offset) * block.shape[1] + column
        return Found(column + start, keys[which, offset], places)

    @staticmethod
    def _below(block: Tensor, worst: Tensor, start: int) -> Found:
        """Entries of each row below its mark."""
        groups = block.view(block.shape[0], -1, GROUP)
        row, group = (groups.amin(dim=2) < worst.unsqueeze(1)).nonzero(as_tuple=True)
        keys = groups[row, group]
        which, offset = (keys < worst[row].unsqueeze(1)).nonzero(as_tuple=True)
        row = row[which]
        places = row * block.shape[1] + group[which] * GROUP + offset
        return Found(row + start, keys[which, offset], places)

    def take(self, found: Found, values: Sequence[Tensor]) -> None:
        """Keep what is small enough.

        Args:
            found: Candidates of one block.
            values: What each candidate carries, each of shape (N,).
        """
        if found.line.shape[0] == 0:
            return
        lines, which, counts = found.line.unique_consecutive(
            return_inverse=True, return_counts=True
        )
        starts = counts.cumsum(0).sub_(counts)
        rank = torch.arange(which.shape[0], device=which.device).sub_(starts[which])
        shape = (lines.shape[0], int(counts.max()))
        places = rank.add_(which, alpha=shape[1])
        keys = self.keys.new_full(shape, torch.inf)
        keys.view(-1)[places] = found.key
        kept = self.keys.shape[1]
        keys, chosen = torch.cat([self.keys[lines], keys], dim=1).topk(kept, dim=1, largest=False)
        self.keys[lines] = keys
        for own, value in zip(self.values.unbind(), values, strict=True):
            carried = own.new_zeros(shape)
            carried.view(-1)[places] = value
            own[lines] = torch.cat([own[lines], carried], dim=1).gather(1, chosen)
