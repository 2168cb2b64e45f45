"""MobileFaceNet (Chen et al., CCBR 2018), in the layout of InsightFace's `arcface_torch`.

One class covers the weights that circulate: InsightFace's (`scale=2`, 512-d, and the larger
`mbf_large`), the PReLU network of the paper, also with a 7×6 pooling window for 112×96 crops, and a
variant with ReLU6 activations.
`facegeom_lit.models.weights` maps the key names of the others onto these modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.backbone import Backbone, scale_channels

VARIANTS = ("prelu", "relu")
_ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "prelu": nn.PReLU,
    "relu": lambda channels: nn.ReLU(inplace=True),
    "relu6": lambda channels: nn.ReLU6(inplace=True),
}


class ConvBlock(nn.Module):
    """Convolution, batch norm and, unless `activation` is None, the activation."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        activation: str | None = "prelu",
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        )
        if activation is not None:
            self.layers.append(_ACTIVATIONS[activation](outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        return self.layers(x)


class DepthWise(nn.Module):
    """Inverted bottleneck: expand to `hidden`, filter each channel, project without activation."""

    def __init__(
        self, inputs: int, outputs: int, hidden: int, stride: int, residual: bool, activation: str
    ) -> None:
        super().__init__()
        self.residual = residual
        self.layers = nn.Sequential(
            ConvBlock(inputs, hidden, activation=activation),
            ConvBlock(hidden, hidden, 3, stride, 1, groups=hidden, activation=activation),
            ConvBlock(hidden, outputs, activation=None),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        out = self.layers(x)
        return x + out if self.residual else out


class Residual(nn.Module):
    """A run of residual bottlenecks of equal shape."""

    def __init__(self, channels: int, hidden: int, blocks: int, activation: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(DepthWise(channels, channels, hidden, 1, True, activation) for _ in range(blocks))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return self.layers(x)


class GlobalDepthWise(nn.Module):
    """Global depthwise convolution, then a linear map to the embedding and a batch norm."""

    def __init__(self, channels: int, window: tuple[int, int], dimension: int, bias: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvBlock(channels, channels, window, groups=channels, activation=None),
            nn.Flatten(),
            nn.Linear(channels, dimension, bias=bias),
            nn.BatchNorm1d(dimension),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, *window) to (B, dimension)."""
        return self.layers(x)


class MobileFaceNet(Backbone):
    """MobileFaceNet for 112×112 (or, by `window`, other) crops.

    Args:
        dimension: Length of the embedding.
        width: Multiplier of all channel numbers, for small models.
        scale: Multiplier of the trunk's channels only: 1 as in the paper, 2 in InsightFace's
            `mbf`, which keeps the hidden channels of the bottlenecks.
        window: (H, W) of the last feature map; the input is 16 times as large.
        blocks: Blocks in each of the four stages: (1, 4, 6, 2) as in the paper, where 1 stands for
            a plain depthwise convolution; (2, 8, 12, 4) with `scale` 4 is InsightFace's
            `mbf_large`.
        variant: "prelu" as in the paper, or "relu": ReLU6 activations, a depthwise separable second
            layer (with plain ReLU) and a bias in the last linear map.

    Raises:
        FaceGeomError: When `variant` or `width` is not usable.

    Example:
        >>> import torch
        >>> backbone = MobileFaceNet(width=0.5).eval()
        >>> backbone(torch.zeros(2, 3, 112, 112)).shape
        torch.Size([2, 128])
    """

    def __init__(
        self,
        dimension: int = 128,
        width: float = 1.0,
        scale: int = 1,
        window: Sequence[int] = (7, 7),
        variant: str = "prelu",
        blocks: Sequence[int] = (1, 4, 6, 2),
    ) -> None:
        super().__init__()
        if variant not in VARIANTS:
            raise FaceGeomError(f"Argument `variant` must be one of {VARIANTS}, got {variant!r}.")
        height, breadth = window
        first, second, third, fourth = blocks
        self.dimension = dimension
        self.input_size = (16 * height, 16 * breadth)
        narrow, wide = (scale_channels(base * scale, width) for base in (64, 128))
        small, middle, large = (scale_channels(base, width) for base in (128, 256, 512))
        groups = narrow // scale
        act = "prelu" if variant == "prelu" else "relu6"
        opening: nn.Module
        if first != 1:
            opening = Residual(narrow, small, first, act)
        elif variant == "prelu":
            opening = ConvBlock(narrow, narrow, 3, 1, 1, groups=groups)
        else:
            opening = nn.Sequential(
                ConvBlock(narrow, narrow, 3, 1, 1, groups=groups, activation="relu"),
                ConvBlock(narrow, narrow, activation="relu"),
            )
        self.layers = nn.ModuleList(
            [
                ConvBlock(3, narrow, 3, 2, 1, activation=act),
                opening,
                DepthWise(narrow, narrow, small, 2, False, act),
                Residual(narrow, small, second, act),
                DepthWise(narrow, wide, middle, 2, False, act),
                Residual(wide, middle, third, act),
                DepthWise(wide, wide, large, 2, False, act),
                Residual(wide, middle, fourth, act),
            ]
        )
        self.conv_sep = ConvBlock(wide, large, activation=act)
        self.features = GlobalDepthWise(large, (height, breadth), dimension, variant == "relu")
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, *input_size); returns (B, dimension)."""
        x = images
        for layer in self.layers:
            x = layer(x)
        return self.features(self.conv_sep(x))

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Stem, the three bottleneck stages, and the embedding."""
        parts = list(self.layers)
        return [
            ("stem", nn.Sequential(*parts[:2])),
            ("stage1", nn.Sequential(*parts[2:4])),
            ("stage2", nn.Sequential(*parts[4:6])),
            ("stage3", nn.Sequential(*parts[6:8])),
            ("embedding", nn.Sequential(self.conv_sep, self.features)),
        ]
