"""Finds the five points of a face in a crop that may be aligned badly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.small_network import fill_network, read_card, save_network, saved_hash
from facegeom_lit.models.storage import CARD

_SIDE = 64  # pixels that the network sees along each axis
_MIRRORED = [1, 0, 2, 4, 3]  # the points of a mirror image
_TURNS = ((10.0, 1.12), (-10.0, 0.9))  # degrees and scale of two more views of a crop
_AGREEING = 3.0  # pixels of a crop of 112, between the views of one face
_FIELDS = ("width", "hash", "training")


class FivePointRegressor(nn.Module):
    """A small convolutional network from a square crop to the five points of its face.

    It sees the mean of the three channels, each image scaled to mean 0 and deviation 1: the colour
    order and the brightness of a set make no difference. One point of one image is good to some
    pixels; the median over a set is what it is for. It has learnt from rendered faces: harsh light
    and faces that are not upright are beyond it, and `locate` says so.

    Args:
        width: Channels of the first block.
        training: Free, for the card: recipe, seed, measured figures.

    Example:
        >>> FivePointRegressor(4).eval()(torch.zeros(2, 3, 112, 112, dtype=torch.uint8)).shape
        torch.Size([2, 5, 2])
    """

    def __init__(self, width: int = 16, training: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.width = width
        self.training_facts = dict(training or {})
        widths = (1, width, 2 * width, 4 * width, 4 * width)
        blocks = [_block(i, o) for i, o in pairwise(widths)]
        last = widths[-1] * (_SIDE >> len(blocks)) ** 2
        self.network = nn.Sequential(
            *blocks, nn.Flatten(), nn.Linear(last, 128), nn.ReLU(), nn.Linear(128, 10)
        )

    def scaled(self, images: Tensor) -> Tensor:
        """Predict points (B, 5, 2) that run from -1 to 1 over the image's width and height.

        Args:
            images: (B, 3, S, S), uint8 or float in 0–255.

        Raises:
            FaceGeomError: When the images are not square or have not three channels.
        """
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
            raise FaceGeomError(
                f"Five points are found in square RGB crops (B, 3, S, S), got "
                f"{tuple(images.shape)}."
            )
        grey = images.float().mean(1, keepdim=True)
        small = F.interpolate(grey, (_SIDE, _SIDE), mode="bilinear", antialias=True)
        deviation, mean = torch.std_mean(small, dim=(1, 2, 3), keepdim=True)
        return self.network((small - mean) / (deviation + 1.0)).float().view(-1, 5, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Predict points (B, 5, 2) in pixels (x, y; pixel centres are whole numbers).

        Eye, eye, nose tip, mouth corner, mouth corner, each pair from the left of the image to its
        right; arguments as of `scaled`.
        """
        return (self.scaled(images) + 1.0) * (images.shape[-1] / 2) - 0.5

    @torch.inference_mode()
    def locate(self, images: Tensor) -> Tensor:
        """Return points (B, 5, 2) as `forward`, NaN for a face of which the network is not sure.

        Each image is seen as it is, mirrored, and turned and resized a little both ways. The mean
        of what is found is returned; where it differs (root mean square over views and points) by
        more than 3 pixels of 112, the network is guessing.
        """
        x = images.float()
        views = [self.scaled(x), self.scaled(x.flip(3))[:, _MIRRORED] * x.new_tensor([-1, 1])]
        for degrees, scale in _TURNS:
            c, s = (scale * f(math.radians(degrees)) for f in (math.cos, math.sin))
            back = torch.linalg.inv(x.new_tensor([[c, -s], [s, c]]))
            theta = torch.cat([back, x.new_zeros(2, 1)], 1).expand(len(x), 2, 3)
            grid = F.affine_grid(theta, list(x.shape), align_corners=False)
            turned = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
            views.append(self.scaled(turned) @ back.T)
        found = torch.stack(views)
        mean = found.mean(0)
        apart = 56 * (found - mean).pow(2).sum(-1).mean((0, 2)).sqrt()
        points = (mean + 1.0) * (images.shape[-1] / 2) - 0.5
        return torch.where(apart.view(-1, 1, 1) < _AGREEING, points, float("nan"))

    @property
    def hash(self) -> str:
        """SHA-256 of the weights as they are saved."""
        return saved_hash(self.network)

    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` (float16) and `card.json`, whole or not at all.

        Raises:
            FaceGeomError: When the files cannot be written.
        """
        save_network(self.network, folder, {"width": self.width, "training": self.training_facts})

    @classmethod
    def load(cls, folder: str | Path) -> FivePointRegressor:
        """Read what `save` wrote; on the CPU, in evaluation mode, float32.

        Raises:
            FaceGeomError: When a file is missing, damaged, or contradicts the other.
        """
        folder = Path(folder).expanduser()
        card = read_card(folder, "five-point regressor", _FIELDS)
        if not isinstance(card["width"], int) or not 1 <= card["width"] <= 1024:
            raise FaceGeomError(f"{folder / CARD}: width is {card['width']!r}, no sensible number.")
        regressor = cls(card["width"], card["training"])
        fill_network(regressor.network, folder, card, f"five points, width {regressor.width}")
        return regressor.eval()


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions, the first of stride 2."""
    layers: list[nn.Module] = []
    for channels, stride in ((inputs, 2), (outputs, 1)):
        layers += [
            nn.Conv2d(channels, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)
