"""What every backbone offers to the rest of the package."""

from __future__ import annotations

from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError

CROP = 112
"""Side of an aligned face crop (ArcFace five-point template), in pixels."""

MOST_BLOCKS = 1000
"""No published network has as many blocks."""


class Backbone(nn.Module):
    """A network from normalised images (B, 3, H, W) to raw embeddings (B, D).

    Attributes:
        dimension: Length D of the embeddings.
        input_size: The (H, W) that the network takes.
    """

    dimension: int
    input_size: tuple[int, int]

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, H, W); returns (B, D)."""
        raise NotImplementedError

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Named parts from input to output that hold every parameter exactly once.

        Freezing and discriminative learning rates go by these.
        """
        raise NotImplementedError


def check_depth(depth: int) -> None:
    """Refuse a number of blocks that no network has: a card may state any.

    Raises:
        FaceGeomError: When `depth` is not in 0 … `MOST_BLOCKS`.
    """
    if not isinstance(depth, int) or not 0 <= depth <= MOST_BLOCKS:
        raise FaceGeomError(f"Argument `depth` must be in 0 … {MOST_BLOCKS}, got {depth!r}.")


def scale_channels(channels: int, width: float) -> int:
    """Channels of a layer at a width multiplier: a multiple of 8, at least 16.

    (With 8 channels, torch 2.13 crashes in the backward pass of a strided 1×1 convolution when the
    memory format is channels_last on a CPU.)

    Raises:
        FaceGeomError: When `width` is not positive.

    Example:
        >>> scale_channels(64, 0.25), scale_channels(64, 0.01)
        (16, 16)
    """
    if not width > 0:
        raise FaceGeomError(f"Argument `width` must be positive, got {width}.")
    return max(16, round(channels * width / 8) * 8)
