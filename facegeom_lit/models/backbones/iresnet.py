"""IResNet, the residual network of ArcFace, in the layout of InsightFace's published weights.

Deng et al., "ArcFace", CVPR 2019, section 3.1 (blocks: BN-Conv-BN-PReLU-Conv-BN); Duta et al.,
"Improved Residual Networks", ICPR 2020. Module names and shapes are those of `arcface_torch`, so
its `backbone.pth` loads with `strict=True`.

The arguments `shortcut`, `inner_norm`, `squeeze` and `eps` cover its relatives: the IR and IR-SE
networks of AdaFace and CVLFace (mk-minchul) and of their ancestors (TreB1eN/InsightFace_Pytorch,
face.evoLVe), and MagFace (IrvingMeng).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.backbone import CROP, Backbone, scale_channels

BLOCKS: dict[str, tuple[int, int, int, int]] = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
    "iresnet152": (3, 8, 36, 3),
    "iresnet200": (6, 26, 60, 6),
}
"""Residual blocks in each of the four layers."""

SHORTCUTS = ("conv", "pool")
_REDUCTION = 16
"""Channels of a squeeze-and-excitation block's input by those of its waist."""


class SqueezeExcitation(nn.Module):
    """Weighs each channel by what all of them look like on average (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        waist = max(1, channels // _REDUCTION)
        self.fc1 = nn.Conv2d(channels, waist, 1, bias=False)
        self.fc2 = nn.Conv2d(waist, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class IBasicBlock(nn.Module):
    """One residual block; the stride sits in the second convolution. Arguments: see `IResNet`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        shortcut: str = "conv",
        inner_norm: bool = True,
        squeeze: bool = False,
    ) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs) if inner_norm else nn.Identity()
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.se = SqueezeExcitation(outputs) if squeeze else nn.Identity()
        self.downsample: nn.Module | None = None
        if inputs != outputs or (stride != 1 and shortcut == "conv"):
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )
        elif stride != 1:
            self.downsample = nn.MaxPool2d(1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        out = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        out = self.se(self.bn3(self.conv2(out)))
        return out + (x if self.downsample is None else self.downsample(x))


class IResNet(Backbone):
    """IResNet for 112×112 crops.

    Args:
        blocks: Residual blocks in each of the four layers, as in `BLOCKS`.
        dimension: Length of the embedding.
        width: Multiplier of all channel numbers; 1 is the published network.
        stem_stride: Stride of the first convolution. 1 is the published network; 2 quarters the
            work and shrinks the last feature map from 7×7 to 4×4, for small models.
        dropout: Probability of zeroing a feature before the last linear layer.
        shortcut: How a block that halves the map without changing its channels skips: "conv"
            through a convolution and norm, or "pool" by taking every second pixel.
        inner_norm: Whether a batch norm follows the first convolution of each block.
        squeeze: Whether a squeeze-and-excitation block ends each residual branch.
        eps: Added to the variance in every batch norm.

    Raises:
        FaceGeomError: When `width`, `stem_stride` or `shortcut` is not usable.

    Example:
        >>> backbone = IResNet(BLOCKS["iresnet18"], dimension=64, width=0.125).eval()
        >>> backbone(torch.zeros(2, 3, 112, 112)).shape
        torch.Size([2, 64])
    """

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        dimension: int = 512,
        width: float = 1.0,
        stem_stride: int = 1,
        dropout: float = 0.0,
        shortcut: str = "conv",
        inner_norm: bool = True,
        squeeze: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        if shortcut not in SHORTCUTS:
            raise FaceGeomError(
                f"Argument `shortcut` must be one of {SHORTCUTS}, got {shortcut!r}."
            )
        if stem_stride not in (1, 2):
            raise FaceGeomError(f"Argument `stem_stride` must be 1 or 2, got {stem_stride}.")
        self.dimension = dimension
        self.input_size = (CROP, CROP)
        stem, *channels = (scale_channels(base, width) for base in (64, 64, 128, 256, 512))
        self.conv1 = nn.Conv2d(3, stem, 3, stride=stem_stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.prelu = nn.PReLU(stem)
        make = partial(IBasicBlock, shortcut=shortcut, inner_norm=inner_norm, squeeze=squeeze)
        self.layer1 = _layer(make, stem, channels[0], blocks[0])
        self.layer2 = _layer(make, channels[0], channels[1], blocks[1])
        self.layer3 = _layer(make, channels[1], channels[2], blocks[2])
        self.layer4 = _layer(make, channels[2], channels[3], blocks[3])
        self.bn2 = nn.BatchNorm2d(channels[3])
        self.dropout = nn.Dropout(dropout)
        side = 7 if stem_stride == 1 else 4
        self.fc = nn.Linear(channels[3] * side * side, dimension)
        self.features = nn.BatchNorm1d(dimension)
        # The embedding's scale is the margin loss's affair: the last norm only centres.
        self.features.weight.requires_grad = False
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.1)
            elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.eps = eps

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, 112, 112); returns (B, dimension)."""
        x = self.prelu(self.bn1(self.conv1(images)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.dropout(torch.flatten(self.bn2(x), 1))
        return self.features(self.fc(x))

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Stem, the four layers, and the embedding (last norm, linear layer, centring)."""
        return [
            ("stem", nn.Sequential(self.conv1, self.bn1, self.prelu)),
            ("layer1", self.layer1),
            ("layer2", self.layer2),
            ("layer3", self.layer3),
            ("layer4", self.layer4),
            ("embedding", nn.Sequential(self.bn2, self.dropout, self.fc, self.features)),
        ]


def _layer(
    make: Callable[[int, int, int], nn.Module], inputs: int, outputs: int, blocks: int
) -> nn.Sequential:
    rest = (make(outputs, outputs, 1) for _ in range(blocks - 1))
    return nn.Sequential(make(inputs, outputs, 2), *rest)
