"""A face model: a backbone together with its card."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.backbones.backbone import CROP, Backbone
from facegeom_lit.models.card import ModelCard


def preprocess(images: Tensor, card: ModelCard) -> Tensor:
    """Turn aligned RGB crops into what the network of a card takes.

    Args:
        images: (B, 3, H, W), uint8 or float in 0–255, RGB. With `card.fit` "crop" they must be
            the aligned 112×112 crops; with "resize" any size will do.
        card: Colour order, size, mean and std of the network.

    Returns:
        Float32 (B, 3, *card.size), normalised, in the network's channel order.

    Raises:
        FaceGeomError: When the shape of `images` does not fit.

    Example:
        >>> import torch
        >>> card = ModelCard("m", "mobilefacenet", 128, {"window": [7, 6]}, size=(112, 96))
        >>> preprocess(torch.full((1, 3, 112, 112), 255, dtype=torch.uint8), card).shape
        torch.Size([1, 3, 112, 96])
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise FaceGeomError(
            f"A face model takes RGB images of shape (B, 3, H, W), got {tuple(images.shape)}."
        )
    size = tuple(images.shape[2:])
    x = images.float()
    if card.fit == "crop":
        if size != (CROP, CROP):
            raise FaceGeomError(
                f"Face model {card.name!r} takes aligned {CROP}×{CROP} crops, got {size}. "
                "Align the faces by their five landmarks first."
            )
        top, left = ((CROP - side) // 2 for side in card.size)
        x = x[:, :, top : top + card.size[0], left : left + card.size[1]]
    elif size != card.size:
        x = F.interpolate(x, card.size, mode="bilinear", antialias=True, align_corners=False)
    if card.color_order == "BGR":
        x = x.flip(1)
    mean = x.new_tensor(card.mean).view(1, 3, 1, 1)
    std = x.new_tensor(card.std).view(1, 3, 1, 1)
    return (x - mean) / std


class FaceModel(nn.Module):
    """A backbone with the card that says how to feed it and how to compare its embeddings.

    Args:
        backbone: The network.
        card: Its facts.

    Raises:
        FaceGeomError: When the card contradicts the backbone.

    Example:
        >>> import torch
        >>> from facegeom_lit.models.backbones import build_backbone
        >>> card = ModelCard("small", "mobilefacenet", 64, {"width": 0.25, "dimension": 64})
        >>> backbone = build_backbone(card.architecture, **card.arguments)
        >>> model = FaceModel(backbone, card).eval()
        >>> model(torch.zeros(2, 3, 112, 112, dtype=torch.uint8)).shape
        torch.Size([2, 64])
    """

    def __init__(self, backbone: Backbone, card: ModelCard) -> None:
        super().__init__()
        for key, found in (("dimension", backbone.dimension), ("size", backbone.input_size)):
            if getattr(card, key) != found:
                raise FaceGeomError(
                    f"Model card {card.name!r} contradicts its network: `{key}` is "
                    f"{getattr(card, key)} on the card, {found} in {card.architecture} "
                    f"{card.arguments}. Correct the card."
                )
        if card.fit == "crop" and max(card.size) > CROP:
            raise FaceGeomError(
                f"Model card {card.name!r}: `size` {card.size} cannot be cropped from a "
                f"{CROP}×{CROP} image. Set `fit` to 'resize'."
            )
        self.backbone = backbone
        self.card = card

    def forward(self, images: Tensor) -> Tensor:
        """Embed aligned RGB crops.

        Args:
            images: (B, 3, H, W), uint8 or float in 0–255, RGB, as for `preprocess`.

        Returns:
            Raw embeddings (B, D), float32.
        """
        return self.backbone(preprocess(images, self.card)).float()

    def compare(self, embeddings: Tensor) -> Tensor:
        """The form in which embeddings (..., D) are compared.

        L2-normalised when the card's distance is cosine, unchanged when it is Euclidean.
        """
        return F.normalize(embeddings, dim=-1) if self.card.distance == "cosine" else embeddings

    def stages(self) -> list[tuple[str, nn.Module]]:
        """Named parts from input to output that hold every parameter exactly once."""
        return self.backbone.stages()
