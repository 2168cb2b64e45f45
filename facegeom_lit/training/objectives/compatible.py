"""Compatible: pursue another objective's goal, and stay within a map of the start model's space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor, distributed
from torch.nn import functional as F

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.training.objectives.base import Losses, Objective

Kind = Literal["identity", "affine"]

FLOOR = 1e-7
"""Variance of unit embeddings below which there is only rounding: a batch of one image has none."""


class Compatible(Objective):
    """The losses of a goal, and `weight` times the distance from what the old gallery holds.

    With z the unit embedding of the model in training and s that of the start model for the very
    image (same augmentation), the distance of a batch is

    - `identity`: mean 1 − z·s. The new model is to serve against the old gallery as it is
      (backward compatible training: Shen et al., CVPR 2020; here of every image, not of classes).
    - `affine`: Σ|z − A(s)|² over the variance of z, with A the best affine map from old to new.
      The old gallery is to serve once it is migrated by one map.

    Both are 0 for an unchanged model and 1 for unrelated embeddings, so a weight means the same for
    any model. A leads from old to new since that is how a gallery migrates, its images being gone;
    and a goal may then drop what it wants to drop: a projection of the old space is an affine map
    of it, while no map from new to old could bring back what was projected out.

    A is not learned. It is solved in closed form, every step, from decaying sums over the last
    batches: W minimises Σ|z − sW − b|² + λ|W − I|², shrunk towards no map at all, so that it is
    never underdetermined, and exactly none for an unchanged model. No gradient passes through A or
    the variance. Under data-parallel training the sums are those of all processes; they are in the
    checkpoint, so that a resumed run continues as if it had not been cut.

    Args:
        goal: The objective that is pursued, or what makes it from `dimension` (a `_partial_`).
        dimension: Embedding dimension D.
        weight: Weight of the distance, at least 0; 0 leaves the goal alone and costs nothing.
        kind: `identity` or `affine`.
        batches: Mean age of what A is fitted to, in batches, at least 1.
        ridge: λ as a fraction of the mean variance of a direction of s, positive.

    Raises:
        FaceGeomError: When an argument is out of range, or the goal is itself `Compatible`.

    Example:
        >>> objective = Compatible(Objective(), dimension=2, kind="identity", weight=2.0)
        >>> new, old = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]])
        >>> objective(torch.zeros(1, 4), new, torch.tensor([0]), torch.zeros(1), old).compatible
        tensor(2.)
    """

    sums: Tensor

    def __init__(
        self,
        goal: Objective | Callable[..., Objective],
        dimension: int,
        weight: float = 1.0,
        kind: Kind = "affine",
        batches: float = 20.0,
        ridge: float = 0.01,
    ) -> None:
        super().__init__()
        if kind not in get_args(Kind):
            raise FaceGeomError(
                f"objective.kind must be one of {', '.join(get_args(Kind))}, got {kind!r}."
            )
        if weight < 0:
            raise FaceGeomError(f"objective.weight must be at least 0, got {weight}.")
        if batches < 1:
            raise FaceGeomError(f"objective.batches must be at least 1, got {batches}.")
        if ridge <= 0:
            raise FaceGeomError(f"objective.ridge must be positive, got {ridge}.")
        if not callable(goal):
            raise FaceGeomError(
                f"objective.goal must be an objective, got {goal}. Choose one of its group: "
                "objective@objective.goal=invariance."
            )
        self.goal = goal if isinstance(goal, Objective) else goal(dimension=dimension)
        if isinstance(self.goal, Compatible):
            raise FaceGeomError(
                "objective.goal must be another objective than compatible: one distance is enough."
            )
        self.needs_attribute = self.goal.needs_attribute
        self.needs_curves = self.goal.needs_curves
        self.needs_start = weight > 0
        self.weight = weight
        self.kind = kind
        self.keep = 1 - 1 / batches
        self.ridge = ridge
        if self.needs_start and kind == "affine":
            size = 1 + 2 * dimension
            self.register_buffer("sums", torch.zeros(size, size, dtype=torch.float64))

    def forward(
        self,
        logits: Tensor,
        embeddings: Tensor,
        labels: Tensor,
        values: Tensor,
        start: Tensor | None = None,
    ) -> Losses:
        """Return the goal's losses and the weighted distance; arguments as of `Objective`."""
        losses: Losses = self.goal(logits, embeddings, labels, values)
        if not self.needs_start:
            return losses
        assert start is not None
        new, old = (F.normalize(rows.float(), dim=1) for rows in (embeddings, start))
        return replace(losses, compatible=self.weight * self.distance(new, old))

    def distance(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the distance of unit embeddings `new` from `old`, (B, D) each, a scalar."""
        if self.kind == "identity":
            return (1 - (new * old).sum(1)).mean()
        with torch.no_grad():
            self._take(new, old)
            matrix, offset, variance = self._solve()
            mapped = torch.addmm(offset, old.double(), matrix).to(new)
        return (new - mapped).square().sum(1).mean() / variance.to(new)

    def _take(self, new: Tensor, old: Tensor) -> None:
        """Let the sums fade, and add Σ rowᵀ row of the rows (1, old, new) of every process."""
        rows = torch.cat([torch.ones_like(old[:, :1]), old, new], dim=1).double()
        batch = rows.T @ rows
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(batch)
        self.sums.mul_(self.keep).add_(batch)

    def _solve(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return W (D, D), b (D,) of `new ≈ old W + b`, and the variance of `new`, in float64.

        Unit rows have no mean that would drown their variance, so sums about zero lose no digits.
        """
        moments = self.sums / self.sums[0, 0]
        mean = moments[0, 1:]
        covariance = moments[1:, 1:] - torch.outer(mean, mean)
        size = len(mean) // 2
        eye = torch.eye(size, dtype=torch.float64, device=mean.device)
        own, cross = covariance[:size, :size], covariance[:size, size:]
        shrink = (self.ridge * own.trace() / size).clamp(min=FLOOR) * eye
        matrix = torch.linalg.solve(own + shrink, cross + shrink)
        variance = covariance[size:, size:].trace().clamp(min=FLOOR)
        return matrix, mean[size:] - mean[:size] @ matrix, variance
