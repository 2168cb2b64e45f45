"""What the margin losses share: cosines to class centres, in float32, with checked labels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError

TINY = 1e-7
"""Least value under a square root: one step of float32 below 1, so its gradient stays finite."""


class MarginHead(nn.Module):
    """Scaled cosines to class centres, the true class's cosine made harder by a margin.

    Args:
        dimension: Length D of the embeddings.
        classes: Number K of identities.
        scale: Factor s of the cosines.

    Attributes:
        centers: Class centres (K, D); only their directions matter.

    Raises:
        FaceGeomError: When `scale` is not positive or there are fewer than two classes.
    """

    def __init__(self, dimension: int, classes: int, *, scale: float) -> None:
        super().__init__()
        if not scale > 0:
            raise FaceGeomError(f"Argument `scale` must be positive, got {scale}.")
        self.scale = scale
        self.centers = new_centers(dimension, classes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Logits for the cross entropy.

        Args:
            embeddings: Raw embeddings (B, D) of any floating type; computed in float32, also
                under autocast.
            labels: Class of each embedding (B,), any integer type, in [0, K).

        Returns:
            Scaled logits (B, K), float32.

        Raises:
            FaceGeomError: When shapes do not fit or a label is no class.
        """
        labels = check_labels(embeddings, labels, self.centers)
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings, centers = embeddings.float(), self.centers.float()
            cosines = F.linear(F.normalize(embeddings), F.normalize(centers)).clamp(-1.0, 1.0)
            target = cosines.gather(1, labels[:, None]).squeeze(1)
            harder = self.margin_cosine(target, embeddings)
            return self.scale * cosines.scatter(1, labels[:, None], harder[:, None])

    def margin_cosine(self, cosine: Tensor, embeddings: Tensor) -> Tensor:
        """The true class's cosine (B,) with the margin applied; embeddings are (B, D)."""
        raise NotImplementedError


def new_centers(dimension: int, classes: int) -> nn.Parameter:
    """Fresh class centres (K, D) in random directions, short as in `arcface_torch`.

    Raises:
        FaceGeomError: When there are fewer than two classes.
    """
    if classes < 2:
        raise FaceGeomError(f"A head needs at least two identities to tell apart, got {classes}.")
    return nn.Parameter(torch.randn(classes, dimension) * 0.01)


def check_labels(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Labels as int64, once embeddings (B, D), labels (B,) and centers (K, D) fit together.

    Raises:
        FaceGeomError: When they do not.
    """
    classes, dimension = centers.shape
    if embeddings.ndim != 2 or embeddings.shape[1] != dimension:
        raise FaceGeomError(
            f"This head takes embeddings of shape (B, {dimension}), got {tuple(embeddings.shape)}."
        )
    if labels.shape != embeddings.shape[:1]:
        raise FaceGeomError(
            f"Labels must have shape {tuple(embeddings.shape[:1])}, one for each embedding, "
            f"got {tuple(labels.shape)}."
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise FaceGeomError(f"Labels must be integers, got {labels.dtype}.")
    if len(labels):
        low, high = (int(value) for value in labels.aminmax())
        if low < 0 or high >= classes:
            raise FaceGeomError(
                f"Labels must lie in [0, {classes - 1}], the head's {classes} classes; "
                f"got values from {low} to {high}."
            )
    return labels.long()


def sine(cosine: Tensor) -> Tensor:
    """Sine of an angle in [0, π] from its cosine, with a finite gradient at ±1."""
    return (1.0 - cosine.square()).clamp_min(TINY).sqrt()
