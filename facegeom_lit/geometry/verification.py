"""1:1 verification: how well scores tell genuine from impostor pairs (GEOMETRY §4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.points import Distance, blocks, check_points, comparable, pair_distances

FARS = (1e-1, 1e-2, 1e-3, 1e-4)
"""False accept rates that are reported by default."""


def split_scores(scores: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
    """Genuine and impostor scores, each sorted upwards.

    Args:
        scores: Similarity of each pair, larger = more alike, shape (P,).
        same: Whether the pair is genuine, shape (P,).

    Raises:
        FaceGeomError: When shapes differ, a score is not finite, or a class is empty.
    """
    if scores.ndim != 1 or scores.shape != same.shape:
        raise FaceGeomError(
            f"`scores` and `same` must be vectors of one length, got {tuple(scores.shape)} and "
            f"{tuple(same.shape)}."
        )
    bad = int((~torch.isfinite(scores)).sum())
    if bad:
        raise FaceGeomError(f"`scores` holds NaN or infinity in {bad} of {len(scores)} pairs.")
    same = same.bool()
    genuine, impostor = scores[same], scores[~same]
    if not len(genuine) or not len(impostor):
        raise FaceGeomError(
            f"Verification needs genuine and impostor pairs, got {len(genuine)} and "
            f"{len(impostor)}: give at least two identities, one of them with two images."
        )
    return genuine.sort().values, impostor.sort().values


def auc(scores: Tensor, same: Tensor) -> float:
    """Area under the ROC: the chance that a genuine pair scores above an impostor pair.

    Exact; equal scores count half. Arguments and errors as of `split_scores`.

    Example:
        >>> auc(torch.tensor([0.9, 0.4, 0.4, 0.1]), torch.tensor([1, 1, 0, 0]))
        0.875
    """
    return _auc(*split_scores(scores, same))


def _auc(genuine: Tensor, impostor: Tensor) -> float:
    below = torch.searchsorted(impostor, genuine, right=False).double().mean()
    not_above = torch.searchsorted(impostor, genuine, right=True).double().mean()
    return float(below + not_above) / 2 / len(impostor)


def eer(scores: Tensor, same: Tensor) -> float:
    """Equal error rate, where the false accept and the false reject rate cross.

    The ROC is a staircase; between its two steps around the crossing it is taken as a straight
    line. Arguments and errors as of `split_scores`.

    Example:
        >>> eer(torch.tensor([0.9, 0.8, 0.3, 0.2]), torch.tensor([1, 0, 1, 0]))
        0.5
    """
    return _eer(*split_scores(scores, same))


def _eer(genuine: Tensor, impostor: Tensor) -> float:
    # The rates cross between two neighbouring genuine scores: only the impostors between them
    # can be the step that is looked for.
    after = int((_gaps(genuine, genuine, impostor) >= 0).long().argmax())
    if not _gaps(genuine[after], genuine, impostor) >= 0:
        after = len(genuine)  # they cross above all genuine scores
    start = 0 if after == 0 else int(torch.searchsorted(impostor, genuine[after - 1]))
    stop = len(impostor)
    if after < len(genuine):
        stop = int(torch.searchsorted(impostor, genuine[after], right=True))
    near = genuine[max(after - 1, 0) : after + 1]
    thresholds = torch.cat([near, impostor[start:stop]]).unique()
    rejected, accepted = _rates(thresholds, genuine, impostor)
    # Beyond the largest score everything is rejected.
    rejected = torch.cat([rejected, rejected.new_ones(1)])
    accepted = torch.cat([accepted, accepted.new_zeros(1)])
    step = int((rejected >= accepted).long().argmax())
    if step == 0:
        return float(rejected[0])
    before = accepted[step - 1] - rejected[step - 1]
    part = before / (before + rejected[step] - accepted[step])
    return float(rejected[step - 1] + part * (rejected[step] - rejected[step - 1]))


def _rates(thresholds: Tensor, genuine: Tensor, impostor: Tensor) -> tuple[Tensor, Tensor]:
    """False reject and false accept rate where scores at or above a threshold are accepted."""
    rejected = torch.searchsorted(genuine, thresholds).double() / len(genuine)
    accepted = 1 - torch.searchsorted(impostor, thresholds).double() / len(impostor)
    return rejected, accepted


def _gaps(thresholds: Tensor, genuine: Tensor, impostor: Tensor) -> Tensor:
    rejected, accepted = _rates(thresholds, genuine, impostor)
    return rejected - accepted


def tar_at_far(
    scores: Tensor, same: Tensor, fars: Sequence[float] = FARS
) -> dict[float, float | None]:
    """True accept rate at false accept rates, without interpolation.

    The threshold is the impostor score of rank `floor(FAR · impostors) + 1` from the top; pairs
    strictly above it are accepted, so the FAR in effect never exceeds the one asked for.

    Args:
        scores: As of `split_scores`.
        same: As of `split_scores`.
        fars: False accept rates in (0, 1).

    Returns:
        The rate for each FAR; None below 1/impostors, where the pairs cannot tell.

    Raises:
        FaceGeomError: As `split_scores`, and for a FAR outside (0, 1).

    Example:
        >>> scores, same = torch.tensor([0.9, 0.6, 0.7, 0.1]), torch.tensor([1, 1, 0, 0])
        >>> tar_at_far(scores, same, [0.5, 0.1])
        {0.5: 1.0, 0.1: None}
    """
    genuine, impostor = split_scores(scores, same)
    return {far: _tar(genuine, impostor, far) for far in fars}


def _tar(genuine: Tensor, impostor: Tensor, far: float) -> float | None:
    if not 0 < far < 1:
        raise FaceGeomError(f"A false accept rate must lie between 0 and 1, got {far}.")
    # The nudge undoes the rounding of, say, 0.1 · 30 = 3.0000000000000004 or 0.29 · 100 = 28.99…
    admitted = int(far * len(impostor) + 1e-9)
    if admitted < 1:
        return None
    threshold = impostor[len(impostor) - 1 - admitted]
    return 1 - int(torch.searchsorted(genuine, threshold, right=True)) / len(genuine)


def rate_name(far: float) -> str:
    """How a rate stands in a metric's name.

    Example:
        >>> rate_name(0.01), rate_name(0.05)
        ('1e-2', '5e-2')
    """
    mantissa, exponent = f"{far:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def pair_scores(
    embeddings: Tensor, labels: Tensor, distance: Distance = "cosine"
) -> tuple[Tensor, Tensor]:
    """Scores of all pairs of different rows, taken block by block.

    Args:
        embeddings: Shape (N, D), raw; normalised inside for the cosine.
        labels: Identity of each row, shape (N,).
        distance: The model's own distance.

    Returns:
        Scores, shape (P,), float32, larger = more alike (cosine, or minus the Euclidean
        distance), and whether each pair is genuine, shape (P,), with P = N·(N − 1)/2.

    Raises:
        FaceGeomError: When rows are not finite, of length zero, or not labelled one to one.
    """
    check_labels(embeddings, labels)
    points = comparable(embeddings, distance)
    labels = labels.to(points.device)
    columns = torch.arange(len(points), device=points.device)
    scores, same = [], []
    for rows in blocks(len(points), 512):
        later = columns[rows.start :] > columns[rows].unsqueeze(1)
        scores.append(block_scores(points[rows], points[rows.start :], distance)[later])
        same.append((labels[rows].unsqueeze(1) == labels[rows.start :])[later])
    return torch.cat(scores), torch.cat(same)


def block_scores(left: Tensor, right: Tensor, distance: Distance) -> Tensor:
    """Scores of all pairs of rows of two sets that `comparable` placed, (N, M), float32."""
    distances = pair_distances(left, right, distance)
    return (distances.neg_().add_(1) if distance == "cosine" else distances.neg_()).float()


def check_labels(embeddings: Tensor, labels: Tensor) -> None:
    """Raise FaceGeomError unless there is a finite row of embeddings for each label."""
    check_points("embeddings", embeddings)
    if labels.shape != embeddings.shape[:1]:
        raise FaceGeomError(
            f"`labels` must hold one identity for each of the {len(embeddings)} embeddings, got "
            f"shape {tuple(labels.shape)}."
        )


def score_measures(
    scores: Tensor, same: Tensor, fars: Sequence[float] = FARS
) -> dict[str, float | None]:
    """The usual measures of scored pairs.

    Args:
        scores: As of `split_scores`.
        same: As of `split_scores`.
        fars: False accept rates in (0, 1).

    Returns:
        `auc`, `eer`, `tar@1e-2` and so on (None where impostors are too few), `genuine` and
        `impostor` (counts of pairs).

    Raises:
        FaceGeomError: As `tar_at_far`.
    """
    return sorted_measures(*split_scores(scores, same), fars)


def sorted_measures(
    genuine: Tensor, impostor: Tensor, fars: Sequence[float] = FARS
) -> dict[str, float | None]:
    """`score_measures` of what `split_scores` returned."""
    measures: dict[str, float | None] = {
        "auc": _auc(genuine, impostor),
        "eer": _eer(genuine, impostor),
    }
    measures |= {f"tar@{rate_name(far)}": _tar(genuine, impostor, far) for far in fars}
    return measures | {"genuine": len(genuine), "impostor": len(impostor)}


def verify(
    embeddings: Tensor,
    labels: Tensor,
    *,
    distance: Distance = "cosine",
    fars: Sequence[float] = FARS,
) -> dict[str, float | None]:
    """`score_measures` over all pairs of embeddings.

    Args:
        embeddings: Shape (N, D), raw.
        labels: Identity of each row, shape (N,).
        distance: The model's own distance.
        fars: False accept rates in (0, 1).

    Raises:
        FaceGeomError: As `pair_scores` and `tar_at_far`.
    """
    return score_measures(*pair_scores(embeddings, labels, distance), fars)
