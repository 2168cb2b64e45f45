"""Inception-ResNet-v1 of FaceNet, in the layout of facenet-pytorch's published weights.

Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
Learning", AAAI 2017, figure 10 and following; Schroff et al., "FaceNet", CVPR 2015. Module names,
shapes and scales are those of timesler/facenet-pytorch, which carried David Sandberg's weights
over. The embedding here is not normalised: `FaceModel.compare` does that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facegeom_lit.models.backbones.backbone import Backbone

SIDE = 160
"""Side of the input, in pixels."""
_EPS = 1e-3
"""Epsilon of every batch norm, as in TensorFlow."""

Kernel = int | tuple[int, int]
Layer = tuple[int, Kernel] | tuple[int, Kernel, int]
"""Output channels, kernel and stride of a convolution; stride 1 keeps the size of the map."""


class ConvUnit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: Kernel, stride: int = 1, same: bool = True
    ) -> None:
        super().__init__()
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if same else 0
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        return torch.relu(self.bn(self.conv(x)))


class Branches(nn.Module):
    """Runs of convolutions side by side on one map, their outputs joined by channel.

    Args:
        inputs: Channels of the map.
        branches: Layers of each branch.
        pooled: Whether a last branch halves the map by its maxima.
    """

    def __init__(self, inputs: int, *branches: list[Layer], pooled: bool = False) -> None:
        super().__init__()
        self.count = len(branches) + pooled
        for number, layers in enumerate(branches):
            self.add_module(f"branch{number}", _branch(inputs, layers))
        if pooled:
            self.add_module(f"branch{len(branches)}", nn.MaxPool2d(3, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, sum of the branches' channels, H', W')."""
        return torch.cat([getattr(self, f"branch{n}")(x) for n in range(self.count)], dim=1)


class ResidualBranches(Branches):
    """Branches that a 1×1 convolution turns into a small change of their input.

    Args:
        inputs: Channels of the map.
        branches: Layers of each branch.
        scale: Factor of the change.
        last: Whether to leave out the final ReLU.
    """

    def __init__(
        self, inputs: int, *branches: list[Layer], scale: float, last: bool = False
    ) -> None:
        super().__init__(inputs, *branches)
        self.scale = scale
        self.last = last
        self.conv2d = nn.Conv2d(sum(layers[-1][0] for layers in branches), inputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to the same shape."""
        out = x + self.scale * self.conv2d(super().forward(x))
        return out if self.last else torch.relu(out)


class InceptionResNetV1(Backbone):
    """Inception-ResNet-v1 for 160×160 crops.

    Args:
        dimension: Length of the embedding.
        dropout: Probability of zeroing a feature before the last linear layer.

    Example:
        >>> InceptionResNetV1().dimension
        512
    """

    def __init__(self, dimension: int = 512, dropout: float = 0.6) -> None:
        super().__init__()
        self.dimension = dimension
        self.input_size = (SIDE, SIDE)
        self.conv2d_1a = ConvUnit(3, 32, 3, stride=2, same=False)
        self.conv2d_2a = ConvUnit(32, 32, 3, same=False)
        self.conv2d_2b = ConvUnit(32, 64, 3)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = ConvUnit(64, 80, 1)
        self.conv2d_4a = ConvUnit(80, 192, 3, same=False)
        self.conv2d_4b = ConvUnit(192, 256, 3, stride=2, same=False)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = Branches(256, [(384, 3, 2)], [(192, 1), (192, 3), (256, 3, 2)], pooled=True)
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = Branches(
            896,
            [(256, 1), (384, 3, 2)],
            [(256, 1), (256, 3, 2)],
            [(256, 1), (256, 3), (256, 3, 2)],
            pooled=True,
        )
        self.repeat_3 = nn.Sequential(*(_block8(scale=0.2) for _ in range(5)))
        self.block8 = _block8(scale=1.0, last=True)
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(1792, dimension, bias=False)
        self.last_bn = nn.BatchNorm1d(dimension, eps=_EPS)

    def forward(self, images: Tensor) -> Tensor:
        """Embed normalised images (B, 3, 160, 160); returns (B, dimension)."""
        x = images
        for _, stage in self.stages()[:-1]:
            x = stage(x)
        return self.last_bn(self.last_linear(self.dropout(x.mean((2, 3)))))

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Stem, the three runs of Inception blocks with what shrinks the map, and the embedding."""
        stem = nn.Sequential(
            self.conv2d_1a,
            self.conv2d_2a,
            self.conv2d_2b,
            self.maxpool_3a,
            self.conv2d_3b,
            self.conv2d_4a,
            self.conv2d_4b,
        )
        return [
            ("stem", stem),
            ("stage1", self.repeat_1),
            ("stage2", nn.Sequential(self.mixed_6a, self.repeat_2)),
            ("stage3", nn.Sequential(self.mixed_7a, self.repeat_3, self.block8)),
            ("embedding", nn.Sequential(self.dropout, self.last_linear, self.last_bn)),
        ]


def _branch(inputs: int, layers: list[Layer]) -> nn.Module:
    units = []
    for layer in layers:
        outputs, kernel = layer[:2]
        stride = layer[2] if len(layer) == 3 else 1
        units.append(ConvUnit(inputs, outputs, kernel, stride, same=stride == 1))
        inputs = outputs
    # A branch of one layer has no number in its names.
    return units[0] if len(units) == 1 else nn.Sequential(*units)


def _block35() -> ResidualBranches:
    return ResidualBranches(
        256, [(32, 1)], [(32, 1), (32, 3)], [(32, 1), (32, 3), (32, 3)], scale=0.17
    )


def _block17() -> ResidualBranches:
    return ResidualBranches(896, [(128, 1)], [(128, 1), (128, (1, 7)), (128, (7, 1))], scale=0.1)


def _block8(scale: float, last: bool = False) -> ResidualBranches:
    return ResidualBranches(
        1792, [(192, 1)], [(192, 1), (192, (1, 3)), (192, (3, 1))], scale=scale, last=last
    )
