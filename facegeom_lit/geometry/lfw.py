"""The LFW protocol: accuracy over ten folds of pairs (Huang et al. 2007; GEOMETRY §4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.verification import split_scores


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy over folds.

    Attributes:
        mean: In [0, 1].
        std: Standard deviation over the folds (of the population, as InsightFace prints it).
        folds: Accuracy of each fold.
    """

    mean: float
    std: float
    folds: tuple[float, ...]


def best_threshold(scores: Tensor, same: Tensor) -> float:
    """The threshold with the best accuracy on these pairs; scores at or above it are accepted.

    It lies half-way between two neighbouring scores. Arguments and errors as of `split_scores`.

    Example:
        >>> best_threshold(torch.tensor([0.9, 0.5, 0.3, 0.1]), torch.tensor([1, 1, 0, 0]))
        0.4000000059604645
    """
    genuine, impostor = split_scores(scores, same)
    steps = torch.cat([genuine, impostor]).unique()
    rejected = torch.searchsorted(genuine, steps)
    accepted = len(impostor) - torch.searchsorted(impostor, steps)
    best = int((rejected + accepted).argmin())
    if best == 0:
        return float(steps[0])
    return float((steps[best - 1] + steps[best]) / 2)


def lfw_accuracy(scores: Tensor, same: Tensor, folds: int | Tensor = 10) -> FoldAccuracy:
    """Accuracy on each fold at the threshold that is best on the others.

    Args:
        scores: Similarity of each pair in the protocol's order, shape (P,).
        same: Whether the pair is genuine, shape (P,).
        folds: Number of consecutive folds, ≥ 2; or the fold of each pair, int64 (P,).

    Raises:
        FaceGeomError: As `split_scores`, or with fewer pairs than folds, or fewer than two folds.
    """
    same = same.bool()
    accuracies = []
    for held_out in _folds(folds, len(scores)):
        others = torch.ones(len(scores), dtype=torch.bool)
        others[held_out] = False
        threshold = best_threshold(scores[others], same[others])
        accuracies.append(
            float(((scores[held_out] >= threshold) == same[held_out]).double().mean())
        )
    spread = torch.tensor(accuracies, dtype=torch.float64)
    return FoldAccuracy(float(spread.mean()), float(spread.std(correction=0)), tuple(accuracies))


def _folds(folds: int | Tensor, pairs: int) -> Sequence[Tensor]:
    """Rows of each fold."""
    if isinstance(folds, Tensor):
        names, counts = folds.unique(return_counts=True)
        if len(folds) != pairs or len(names) < 2:
            raise FaceGeomError(
                f"`folds` must hold the fold of each of {pairs} pairs and at least two of them, "
                f"got {len(folds)} values of {len(names)} folds."
            )
        return folds.argsort(stable=True).split(counts.tolist())
    if not 2 <= folds <= pairs:
        raise FaceGeomError(
            f"`folds` must be between 2 and the number of pairs ({pairs}), got {folds}."
        )
    return torch.arange(pairs).tensor_split(folds)
