"""The vision transformer of InsightFace's `arcface_torch`, in the layout of its published weights.

An, Deng et al., "Killing Two Birds with One Stone: Efficient and Robust Training of Face
Recognition CNNs by Partial FC", CVPR 2022. Module names and shapes are those of `backbones/vit.py`:
no class token, all tokens side by side into the embedding, ReLU6, and in training a share of the
patches hidden, as in He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.
CVLFace's ViT is the same network, without `mask_token` where it was trained unmasked.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.backbone import CROP, Backbone, check_depth

_EMBEDDING_EPS = 2e-5
"""The published epsilon of the two batch norms behind the tokens."""


class Attention(nn.Module):
    """Self-attention between tokens; queries, keys and values come from one map without bias."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.proj = nn.Linear(channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T, channels) to the same shape."""
        queries, keys, values = (
            self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        )
        out = F.scaled_dot_product_attention(queries, keys, values)
        return self.proj(out.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear maps with ReLU6 between, four times as wide inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T, channels) to the same shape."""
        return self.fc2(F.relu6(self.fc1(tokens)))


class Block(nn.Module):
    """Pre-norm attention and feed-forward, each on a residual branch."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (B, T, channels) to the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class PatchEmbedding(nn.Module):
    """Cut the image into square patches and embed each; what is left at the edges falls away."""

    def __init__(self, patch: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, channels, patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to tokens (B, T, channels), row by row."""
        return self.proj(images).flatten(2).transpose(1, 2)


class ArcFaceViT(Backbone):
    """ViT of `arcface_torch` for 112×112 crops.

    Args:
        dimension: Length of the embedding.
        channels: Length of a token: 256 in `vit_t`, 512 in `vit_s` and `vit_b`, 768 in `vit_l`.
        depth: Number of blocks: 12 in `vit_t` and `vit_s`, 24 in `vit_b` and `vit_l`.
        heads: Attention heads in a block; 8 in all published sizes.
        patch: Side of a patch in pixels; 9 in all published sizes, which leaves 4 pixels out.
        mask_ratio: Share of the patches hidden in training. 0 leaves `mask_token` out.

    Raises:
        FaceGeomError: When `heads` does not divide `channels`, or a size is out of range.

    Example:
        >>> ArcFaceViT(64, channels=32, depth=1).eval()(torch.zeros(2, 3, 112, 112)).shape
        torch.Size([2, 64])
    """

    def __init__(
        self,
        dimension: int = 512,
        channels: int = 256,
        depth: int = 12,
        heads: int = 8,
        patch: int = 9,
        mask_ratio: float = 0.1,
    ) -> None:
        super().__init__()
        if channels % heads:
            raise FaceGeomError(
                f"Argument `heads` must divide `channels` ({channels}), got {heads}."
            )
        if not 0 < patch <= CROP:
            raise FaceGeomError(f"Argument `patch` must lie in 1–{CROP}, got {patch}.")
        if not 0 <= mask_ratio < 1:
            raise FaceGeomError(f"Argument `mask_ratio` must lie in [0, 1), got {mask_ratio}.")
        self.dimension = dimension
        self.input_size = (CROP, CROP)
        self.mask_ratio = mask_ratio
        tokens = (CROP // patch) ** 2
        self.patch_embed = PatchEmbedding(patch, channels)
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, channels))
        check_depth(depth)
        self.blocks = nn.ModuleList(Block(channels, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(channels)
        self.feature = nn.Sequential(
            nn.Linear(channels * tokens, channels, bias=False),
            nn.BatchNorm1d(channels, eps=_EMBEDDING_EPS),
            nn.Linear(channels, dimension, bias=False),
            nn.BatchNorm1d(dimension, eps=_EMBEDDING_EPS),
        )
        self.mask_token = nn.Parameter(torch.empty(1, 1, channels)) if mask_ratio else None
        for weight in (self.pos_embed, self.mask_token):
            if weight is not None:
                nn.init.trunc_normal_(weight, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, 112, 112); returns (B, dimension)."""
        tokens = self.patch_embed(images) + self.pos_embed
        if self.training and self.mask_token is not None:
            return self.feature(self._masked(tokens, self.mask_token).flatten(1))
        return self.feature(self._encode(tokens).flatten(1))

    def _encode(self, tokens: Tensor) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)

    def _masked(self, tokens: Tensor, mask_token: Tensor) -> Tensor:
        """Encode a random part of each image's tokens; the mask token stands for the others."""
        batch, total, channels = tokens.shape
        kept = int(total * (1 - self.mask_ratio))
        order = torch.rand(batch, total, device=tokens.device).argsort(dim=1)
        where = order[:, :kept, None].expand(-1, -1, channels)
        seen = self._encode(tokens.gather(1, where))
        return mask_token.to(seen.dtype).expand(batch, total, -1).scatter(1, where, seen)

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Patches with their positions, each block, and the embedding."""
        blocks = [(f"block{i}", block) for i, block in enumerate(self.blocks, start=1)]
        masks = [] if self.mask_token is None else [nn.ParameterList([self.mask_token])]
        patches = nn.ModuleList([self.patch_embed, nn.ParameterList([self.pos_embed])])
        embedding = nn.ModuleList([self.norm, *masks, self.feature])
        return [("patches", patches), *blocks, ("embedding", embedding)]
