"""A small vision transformer for faces: Dosovitskiy et al., ICLR 2021, without class token.

As in InsightFace's `arcface_torch` ViT, the patches are pooled to the embedding and normalised over
the batch, which margin losses need.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.backbone import CROP, Backbone, check_depth


class PatchEmbedding(nn.Module):
    """Cut the image into square patches, embed each, add its learned position."""

    def __init__(self, patch: int, channels: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, channels, patch, stride=patch)
        self.position = nn.Parameter(torch.empty(1, (CROP // patch) ** 2, channels))
        nn.init.trunc_normal_(self.position, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, 112, 112) to tokens (B, patches, channels)."""
        return self.projection(images).flatten(2).transpose(1, 2) + self.position


class VisionTransformer(Backbone):
    """ViT for 112×112 crops: patches, pre-norm blocks, mean over the patches, linear map.

    Args:
        dimension: Length of the embedding.
        channels: Length of a token.
        depth: Number of blocks.
        heads: Attention heads in a block.
        patch: Side of a patch in pixels.

    Raises:
        FaceGeomError: When `patch` does not divide 112 or `heads` does not divide `channels`.

    Example:
        >>> VisionTransformer(depth=1).eval()(torch.zeros(2, 3, 112, 112)).shape
        torch.Size([2, 128])
    """

    def __init__(
        self,
        dimension: int = 128,
        channels: int = 128,
        depth: int = 4,
        heads: int = 4,
        patch: int = 14,
    ) -> None:
        super().__init__()
        check_depth(depth)
        if CROP % patch:
            raise FaceGeomError(f"Argument `patch` must divide {CROP}, got {patch}.")
        if channels % heads:
            raise FaceGeomError(
                f"Argument `heads` must divide `channels` ({channels}), got {heads}."
            )
        self.dimension = dimension
        self.input_size = (CROP, CROP)
        self.patches = PatchEmbedding(patch, channels)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                channels,
                heads,
                dim_feedforward=4 * channels,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(channels)
        self.fc = nn.Linear(channels, dimension, bias=False)
        self.features = nn.BatchNorm1d(dimension)

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, 112, 112); returns (B, dimension)."""
        tokens = self.patches(images)
        for block in self.blocks:
            tokens = block(tokens)
        return self.features(self.fc(self.norm(tokens).mean(dim=1)))

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Patches, each block, and the embedding."""
        blocks = [(f"block{i}", block) for i, block in enumerate(self.blocks, start=1)]
        embedding = nn.Sequential(self.norm, self.fc, self.features)
        return [("patches", self.patches), *blocks, ("embedding", embedding)]
