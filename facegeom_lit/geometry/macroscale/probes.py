"""What a linear classifier reads of an attribute: logistic regression in folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from threadpoolctl import threadpool_limits
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, comparable
from facegeom_lit.geometry.statistics import FEWEST, Interval, check_bootstrap, percentiles

FoldsBy = Literal["identity", "image"]
FOLDS = 5


@dataclass(frozen=True)
class Probe:
    """How well an attribute is read from embeddings that the classifier has not seen.

    Args:
        accuracy: Share of images read right, with its interval over identities.
        balanced_accuracy: Mean of the shares among images with and without the attribute, the
            same; 0.5 is chance.
        majority: The accuracy of always naming the more frequent value.
    """

    accuracy: Interval
    balanced_accuracy: Interval
    majority: float


def probe_attribute(
    embeddings: Tensor,
    identity: Tensor,
    positive: Tensor,
    *,
    distance: Distance = "cosine",
    by: FoldsBy = "identity",
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Probe | None:
    """Five-fold logistic regression, scikit-learn's with its own defaults (L2, C = 1).

    Args:
        embeddings: Raw embeddings, shape (N, D); rows are normalised under the cosine and centred
            under the Euclidean distance.
        identity: Integer identity of each image, shape (N,).
        positive: Whether each image has the attribute, shape (N,), bool.
        distance: The model's own distance.
        by: `identity`: all images of a person are in one fold, so that a person's look cannot
            stand in for the attribute. `image`: images are dealt out one by one, as arXiv
            2507.11372 does. Folds are stratified by attribute in both.
        resamples: Samples of identities for the intervals; 0: none.
        level: Coverage of the intervals, in (0, 1).
        seed: Of the folds and the samples.

    Returns:
        The probe; None where one side has images of fewer than five people (of fewer than five
        images, with folds by image).

    Raises:
        FaceGeomError: When an argument is out of range, or shapes or embeddings are bad.
    """
    check_bootstrap(max(resamples, 1), level)
    if by not in get_args(FoldsBy):
        raise FaceGeomError(f"Argument `by` must be one of {get_args(FoldsBy)}, got {by!r}.")
    if not identity.shape == positive.shape == embeddings.shape[:1]:
        raise FaceGeomError(
            f"Each of {len(embeddings)} embeddings needs an identity and a value, got shapes "
            f"{tuple(identity.shape)} and {tuple(positive.shape)}."
        )
    points = comparable(embeddings, distance).cpu().numpy()
    target = positive.cpu().numpy().astype(bool)
    groups = identity.cpu().unique(return_inverse=True)[1].numpy()
    units = groups if by == "identity" else np.arange(len(groups))
    if min(len(np.unique(units[target == side])) for side in (False, True)) < FOLDS:
        return None
    right = _read(points, target, groups, by, seed) == target
    people = int(groups.max()) + 1
    accuracy = float(right.mean())
    balanced = float((right[target].mean() + right[~target].mean()) / 2)
    ends: list[tuple[float | None, float | None]] = [(None, None)] * 2
    if resamples and people >= FEWEST:
        ends = [
            percentiles(sampled, level)
            for sampled in resampled_accuracies(right, target, groups, resamples, seed)
        ]
    return Probe(
        Interval(accuracy, *ends[0], people),
        Interval(balanced, *ends[1], people),
        float(max(target.mean(), 1 - target.mean())),
    )


def _read(
    points: NDArray[np.float64],
    target: NDArray[np.bool_],
    groups: NDArray[np.int64],
    by: FoldsBy,
    seed: int,
) -> NDArray[np.bool_]:
    """Every image as read by the classifier of the other folds, shape (N,)."""
    choices = {"n_splits": FOLDS, "shuffle": True, "random_state": seed}
    if by == "identity":
        folds = StratifiedGroupKFold(**choices).split(points, target, groups)
    else:
        folds = StratifiedKFold(**choices).split(points, target)
    read = np.zeros(len(target), dtype=bool)
    for fitted, judged in folds:
        if target[fitted].min() == target[fitted].max():  # people with all images of one kind
            read[judged] = target[fitted[0]]
            continue
        read[judged] = logistic(points[fitted], target[fitted]).predict(points[judged])
    return read


def logistic(
    points: NDArray[np.float64], target: NDArray[np.bool_], *, balanced: bool = False
) -> LogisticRegression:
    """Fit a logistic regression, scikit-learn's with its own defaults (L2, C = 1).

    Args:
        points: Shape (N, D).
        target: Whether each has the attribute, (N,), some but not all.
        balanced: Weight both sides equally.
    """
    model = LogisticRegression(max_iter=1000, class_weight="balanced" if balanced else None)
    with threadpool_limits(1):  # threads of such small products wait more than they work
        return model.fit(points, target)


def resampled_accuracies(
    right: NDArray[np.bool_],
    target: NDArray[np.bool_],
    groups: NDArray[np.int64],
    resamples: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Accuracy and balanced accuracy of identities drawn with replacement.

    Args:
        right: Whether each image was read right, (N,).
        target: Whether it has the attribute, (N,).
        groups: Its identity, from 0, (N,).
        resamples: R.
        seed: Of the draws.

    Returns:
        Both (R,), float64; of balanced accuracies fewer, where a sample has one side alone.
    """
    # Images read right and images in all of each person, with the attribute and without.
    table = np.stack(
        [
            np.bincount(groups, weights=(target == side) & counted)
            for side in (True, False)
            for counted in (right, np.ones_like(right))
        ],
        axis=1,
    )
    people = len(table)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(people, (resamples, people), generator=generator)
    weights = torch.zeros(resamples, people, dtype=torch.float64)
    weights.scatter_add_(1, drawn, torch.ones_like(weights))
    right_with, with_it, right_without, without = (weights @ torch.from_numpy(table)).T
    accuracy = (right_with + right_without) / (with_it + without)
    balanced = (right_with / with_it + right_without / without) / 2
    return accuracy, balanced[~balanced.isnan()]  # a sample of one side alone has none
