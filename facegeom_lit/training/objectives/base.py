"""What every training objective shares: the identity loss, and a term of its own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Losses:
    """The parts of one training loss, each a scalar tensor.

    Args:
        identity: Cross-entropy of the head's logits.
        attribute: The objective's own term, already weighted.
        compatible: How far embeddings left the space of the start model, already weighted; None
            where that costs nothing.
    """

    identity: Tensor
    attribute: Tensor
    compatible: Tensor | None = None

    @property
    def parts(self) -> dict[str, Tensor]:
        """The parts that there are, by name."""
        parts = {"identity": self.identity, "attribute": self.attribute}
        return parts if self.compatible is None else parts | {"compatible": self.compatible}

    @property
    def total(self) -> Tensor:
        """The loss to minimise."""
        total = self.identity + self.attribute
        return total if self.compatible is None else total + self.compatible


class Objective(nn.Module):
    """Identity loss plus a term on how embeddings answer to the attribute.

    The base class is the objective `none`: the identity loss alone.
    """

    needs_attribute = False
    """Whether the term reads attribute values (which a run without an attribute lacks)."""

    needs_curves = False
    """Whether the term reads whole curves, three images each, in the order of their steps."""

    needs_start = False
    """Whether it compares with the embeddings that the start model gives the very images."""

    def forward(
        self,
        logits: Tensor,
        embeddings: Tensor,
        labels: Tensor,
        values: Tensor,
        start: Tensor | None = None,
    ) -> Losses:
        """Return the losses of one batch.

        Args:
            logits: Scaled scores of the classes, (B, K).
            embeddings: Raw embeddings, (B, D).
            labels: Class of each image, (B,).
            values: Attribute values scaled to [-1, 1] over the range, (B,); NaN where unknown.
            start: Raw embeddings of the same images by the start model, (B, D), where they are
                needed.
        """
        identity = F.cross_entropy(logits.float(), labels)
        directions = F.normalize(embeddings.float(), dim=1)
        return Losses(identity, self.term(directions, labels, values))

    def term(self, directions: Tensor, labels: Tensor, values: Tensor) -> Tensor:
        """Return the objective's own loss term for unit embeddings `directions`, (B, D)."""
        return directions.new_zeros(())


def centered(values: Tensor, labels: Tensor) -> Tensor:
    """Subtract from each row the mean of the rows with its label.

    Args:
        values: (B, ...) numbers.
        labels: (B,) class of each row.

    Example:
        >>> centered(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([7, 7, 2]))
        tensor([-1.,  1.,  0.])
    """
    _, group = labels.unique(return_inverse=True)
    counts = torch.bincount(group).to(values.dtype)
    sums = values.new_zeros(len(counts), *values.shape[1:]).index_add(0, group, values)
    means = sums / counts.view(-1, *[1] * (values.dim() - 1))
    return values - means[group]
