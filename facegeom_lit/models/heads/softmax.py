"""Plain softmax: a linear classifier without margin."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facegeom_lit.models.heads.base import check_labels, new_centers


class Softmax(nn.Module):
    """Inner products with class centres: the logits of an ordinary classifier.

    Args:
        dimension: Length D of the embeddings.
        classes: Number K of identities.

    Attributes:
        centers: Class centres (K, D).

    Raises:
        FaceGeomError: When there are fewer than two classes.
    """

    def __init__(self, dimension: int, classes: int) -> None:
        super().__init__()
        self.centers = new_centers(dimension, classes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Logits (B, K), float32, of raw embeddings (B, D); labels (B,) are only checked.

        Raises:
            FaceGeomError: When shapes do not fit or a label is no class.
        """
        check_labels(embeddings, labels, self.centers)
        with torch.autocast(embeddings.device.type, enabled=False):
            return F.linear(embeddings.float(), self.centers.float())
