"""A linear classifier of an attribute that is trained on some templates and reads others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.macroscale.probes import logistic, resampled_accuracies
from facegeom_lit.geometry.points import Distance, check_distance, check_points, normalized
from facegeom_lit.geometry.statistics import FEWEST, Interval, check_bootstrap, percentiles


@dataclass(frozen=True)
class LinearProbe:
    """What `train_probe` has learned.

    Attributes:
        weights: Shape (D,), float64.
        bias: Added to the product.
        distance: Of the space that it reads: templates are normalised under the cosine.
    """

    weights: Tensor
    bias: float
    distance: Distance

    def __call__(self, templates: Tensor) -> Tensor:
        """Whether each template (N, D) has the attribute, bool (N,).

        A template of length zero has no direction: it is read by the bias alone.
        """
        placed = templates.double()
        if self.distance == "cosine":
            placed = normalized(placed)
        return placed @ self.weights.to(placed.device) + self.bias > 0


def train_probe(
    templates: Tensor, positive: Tensor, *, distance: Distance = "cosine"
) -> LinearProbe:
    """Logistic regression as `probe_attribute` fits it, but with both sides weighted equally.

    Args:
        templates: Shape (N, D), raw; rows are normalised under the cosine and centred under the
            Euclidean distance.
        positive: Whether each has the attribute, bool (N,).
        distance: Of the space that the templates live in.

    Raises:
        FaceGeomError: When shapes do not agree, templates are not finite, or all or none have the
            attribute.
    """
    check_points("templates", templates)
    check_distance(distance)
    if positive.shape != templates.shape[:1]:
        raise FaceGeomError(
            f"Each of {len(templates)} templates needs a value, got shape {tuple(positive.shape)}."
        )
    known = positive.cpu().numpy().astype(bool)
    if known.all() or not known.any():
        raise FaceGeomError("A probe needs templates with the attribute and templates without it.")
    points = templates.double().cpu()
    mean = points.mean(dim=0) if distance == "euclidean" else torch.zeros_like(points[0])
    points = normalized(points) if distance == "cosine" else points - mean
    model = logistic(points.numpy(), known, balanced=True)
    weights = torch.from_numpy(np.ascontiguousarray(model.coef_[0]))
    return LinearProbe(weights, float(model.intercept_[0]) - float(weights @ mean), distance)


def balanced_accuracy(
    read: Tensor,
    positive: Tensor,
    identity: Tensor,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Mean of the shares read right with and without the attribute, with its interval over people.

    Args:
        read: What a probe says of each image, bool (N,).
        positive: What is true, bool (N,).
        identity: Integer identity of each image, shape (N,).
        resamples: Samples of people; 0: no interval.
        level: Coverage of the interval, in (0, 1).
        seed: Of the samples; equal ones draw the same people.

    Returns:
        In [0, 1], 0.5 is chance; no value where all or none have the attribute.

    Raises:
        FaceGeomError: When an argument is out of range.
    """
    check_bootstrap(max(resamples, 1), level)
    right, target = (read == positive).cpu().numpy(), positive.cpu().numpy().astype(bool)
    groups = identity.cpu().unique(return_inverse=True)[1].numpy()
    people = len(np.unique(groups))
    if target.all() or not target.any():
        return Interval(None, None, None, people)
    value = float((right[target].mean() + right[~target].mean()) / 2)
    if not resamples or people < FEWEST:
        return Interval(value, None, None, people)
    _, draws = resampled_accuracies(right, target, groups, resamples, seed)
    return Interval(value, *percentiles(draws, level), people)
