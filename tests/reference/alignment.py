"""Maps of GEOMETRY §3 from all rows at once in float64: slow, and easy to check."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ridge(x: Array, y: Array, penalty: float) -> Array:
    """Least squares of the augmented problem [X; √λ I] W = [Y; 0]."""
    rows = np.vstack([x, penalty**0.5 * np.eye(x.shape[1])])
    return np.linalg.lstsq(rows, np.vstack([y, np.zeros((x.shape[1], y.shape[1]))]))[0]


def reduced_rank(x: Array, y: Array, penalty: float, rank: int) -> Array:
    """The ridge solution on the top right singular vectors of what it fits (Mukherjee & Zhu)."""
    matrix = ridge(x, y, penalty)
    fitted = np.vstack([x, penalty**0.5 * np.eye(x.shape[1])]) @ matrix
    top = np.linalg.svd(fitted, full_matrices=False)[2][:rank]
    return matrix @ top.T @ top


def gcv_error(x: Array, y: Array, penalty: float, used: int) -> float:
    """n·RSS / (n − trace of the hat matrix)²."""
    hat = x @ np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1])) @ x.T
    rest = len(x) - used - np.trace(hat)
    return len(x) * float(((y - hat @ y) ** 2).sum()) / rest**2


def held_out_errors(x: Array, y: Array, folds: NDArray[np.int64], penalty: float) -> list[Array]:
    """Squared error of each row of each fold of the centred ridge map fitted on the others."""
    errors = []
    for fold in np.unique(folds):
        fitted, judged = folds != fold, folds == fold
        x_mean, y_mean = x[fitted].mean(0), y[fitted].mean(0)
        matrix = ridge(x[fitted] - x_mean, y[fitted] - y_mean, penalty)
        errors.append(((x[judged] - x_mean) @ matrix + y_mean - y[judged]) ** 2)
    return errors


def chosen_rank(x: Array, y: Array, folds: NDArray[np.int64], penalty: float) -> int:
    """The one-standard-error rule over the folds, rank by rank."""
    table = []
    for rank in range(1, min(x.shape[1], y.shape[1]) + 1):
        row = []
        for fold in np.unique(folds):
            fitted, judged = folds != fold, folds == fold
            x_mean, y_mean = x[fitted].mean(0), y[fitted].mean(0)
            matrix = reduced_rank(x[fitted] - x_mean, y[fitted] - y_mean, penalty, rank)
            missed = (x[judged] - x_mean) @ matrix + y_mean - y[judged]
            row.append((missed**2).sum() / judged.sum())
        table.append(row)
    means = np.mean(table, axis=1)
    best = means.argmin()
    limit = means[best] + np.std(table[best], ddof=1) / len(table[best]) ** 0.5
    return next(rank for rank, mean in enumerate(means, 1) if mean <= limit)


def closest_narrow_map(x: Array, y: Array, steps: int = 500) -> Array:
    """The WᵀW = I that minimises |XW − Y| for p > q (ten Berge & Knol 1984), step by step.

    What the orthogonal matrix drops is put in the place of the padding, which then costs nothing;
    from that the orthogonal matrix is found anew; no step makes |XW − Y| larger.
    """
    p, q = x.shape[1], y.shape[1]
    padded = np.hstack([y, np.zeros((len(y), p - q))])
    for _ in range(steps):
        left, _, right = np.linalg.svd(x.T @ padded)
        padded[:, q:] = (x @ left @ right)[:, q:]
    return (left @ right)[:, :q]
