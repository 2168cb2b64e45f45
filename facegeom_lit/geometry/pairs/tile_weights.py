"""Weights of one block of pairs: exact at the rim of a ball and where points nearly meet."""

from __future__ import annotations

import torch
from torch import Tensor

from facegeom_lit.geometry.pairs.pair_squares import PairSquares

FEW = 1 / 256
"""Up to this share of a block is corrected pair by pair; beyond, the whole block is redone."""

NEAR = 1e3
"""Distances below this many errors of a float32 square are computed exactly: 1/d magnifies."""

DOUBT = 0.01
"""A row of zeros and ones sums to its squared length; one that misses by more holds a doubt."""


class Tile:
    """One block of squares; a pair of a point with itself stands at infinity.

    Args:
        pairs: Of all points.
        rows: Points of the block's rows.
        columns: Points of its columns.
        squares: Shape (N, M), float32; may have further rows and columns at infinity. Changed
            where pairs are computed again.
    """

    def __init__(self, pairs: PairSquares, rows: slice, columns: slice, squares: Tensor) -> None:
        self.pairs = pairs
        self.rows = rows
        self.columns = columns
        self.squares = squares
        self.diagonal = rows == columns
        self._exact = False
        self._ones = squares.new_ones(squares.shape[1])
        if self.diagonal:
            squares.fill_diagonal_(torch.inf)

    def weigh_by_nearness(self, same: float, out: Tensor) -> Tensor:
        """One over the distance, up to a common factor; zero where points are the same.

        Args:
            same: Squares up to here are of the same point.
            out: Weights, shape (N, M); overwritten.

        Returns:
            Their sum in each row, shape (N,).
        """
        near = max(NEAR * self.pairs.error, same)
        lines = (self.squares.amin(dim=1) <= near).nonzero().flatten()
        if lines.shape[0]:
            row, column = (self.squares[lines] <= near).nonzero(as_tuple=True)
            self._correct(lines[row], column)
        if self.pairs.points.distance == "cosine":
            torch.reciprocal(self.squares, out=out)
        else:
            torch.rsqrt(self.squares, out=out)
        if lines.shape[0]:
            out.masked_fill_(self.squares <= same, 0.0)
        return torch.mv(out, self._ones)

    def weigh_by_ball(self, rim: float, own: float, out: Tensor) -> Tensor:
        """One inside the ball, zero outside.

        Args:
            rim: Largest square inside.
            own: Weight of a point in its own ball.
            out: Weights, shape (N, M); overwritten.

        Returns:
            Their sum in each row, shape (N,).
        """
        if self._exact:
            torch.le(self.squares, rim, out=out)
            totals = torch.mv(out, self._ones)
        else:
            # Falls from 1 to 0 over the band where float32 cannot tell.
            band = 2 * max(self.pairs.error, torch.finfo(torch.float32).tiny)
            top = torch.full((), rim / band + 0.5, device=out.device)
            torch.add(top, self.squares, alpha=-1 / band, out=out).clamp_(0.0, 1.0)
            totals = torch.mv(out, self._ones)
            lengths = torch.linalg.vector_norm(out, dim=1)
            lines = (totals - lengths.square_() > DOUBT).nonzero().flatten()
            if lines.shape[0]:
                part = out[lines]
                row, column = ((part > 0) & (part < 1)).nonzero(as_tuple=True)
                row = lines[row]
                self._correct(row, column)
                if self._exact:
                    return self.weigh_by_ball(rim, own, out)
                out[row, column] = (self.squares[row, column] <= rim).float()
                totals[lines] = out[lines].sum(dim=1)
        if self.diagonal and own:
            out.fill_diagonal_(own)
            totals += own
        return totals

    def _correct(self, row: Tensor, column: Tensor) -> None:
        """Compute some pairs in float64, or all if they are many."""
        if self._exact:
            return
        if row.shape[0] > FEW * self.squares.numel():
            exact = self.pairs.exact_block(self.rows, self.columns)
            self.squares[: exact.shape[0], : exact.shape[1]] = exact
            if self.diagonal:
                self.squares.fill_diagonal_(torch.inf)
            self._exact = True
        else:
            exact = self.pairs.exact(row + self.rows.start, column + self.columns.start)
            self.squares[row, column] = exact.float()
