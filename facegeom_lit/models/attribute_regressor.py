"""Measures the facial attributes of any aligned crop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.keys import IMAGE
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.models.backbones.backbone import CROP
from facegeom_lit.models.small_network import fill_network, read_card, save_network, saved_hash
from facegeom_lit.models.storage import CARD

_FIELDS = ("architecture", "arguments", "ranges", "hash", "training")


class AttributeRegressor(nn.Module):
    """A backbone whose outputs are attribute values.

    Args:
        ranges: (low, high) of each attribute; inside, the network counts in [-1, 1] over it.
        architecture: Key of `facegeom_lit.models.backbones.ARCHITECTURES`.
        arguments: Its arguments, all but `dimension`.
        training: Free, for the card: recipe, seed, measured figures.

    Raises:
        FaceGeomError: When there is no attribute, a range is empty, or the network cannot be built.

    Example:
        >>> regressor = AttributeRegressor({"age": (18, 80)}, arguments={"width": 0.25}).eval()
        >>> regressor(torch.zeros(2, 3, 112, 112, dtype=torch.uint8)).shape
        torch.Size([2, 1])
    """

    center: Tensor
    half_range: Tensor

    def __init__(
        self,
        ranges: Mapping[str, tuple[float, float]],
        architecture: str = "mobilefacenet",
        arguments: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.ranges = {name: (float(low), float(high)) for name, (low, high) in ranges.items()}
        self.architecture = architecture
        self.arguments = {"width": 0.5} if arguments is None else dict(arguments)
        self.training_facts = dict(training or {})
        if not self.ranges:
            raise FaceGeomError("A regressor needs at least one attribute in `ranges`.")
        for name, (low, high) in self.ranges.items():
            if not low < high:
                raise FaceGeomError(f"Range of attribute {name!r} is empty: [{low}, {high}].")
        self.backbone = build_backbone(
            architecture, **{**self.arguments, "dimension": len(self.ranges)}
        )
        ends = torch.tensor(list(self.ranges.values()))
        self.register_buffer("center", ends.mean(1), persistent=False)
        self.register_buffer("half_range", (ends[:, 1] - ends[:, 0]) / 2, persistent=False)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes, in the order of the outputs."""
        return tuple(self.ranges)

    def scale(self, values: Tensor) -> Tensor:
        """Turn values (..., A) in the attributes' units into [-1, 1] over their ranges."""
        return (values - self.center) / self.half_range

    def scaled(self, images: Tensor) -> Tensor:
        """Predict scaled values (B, A) of RGB crops (B, 3, 112, 112), uint8 or float in 0–255.

        Raises:
            FaceGeomError: When the shape of `images` does not fit.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != (3, CROP, CROP):
            raise FaceGeomError(
                f"The attribute regressor takes aligned RGB crops of shape (B, 3, {CROP}, {CROP}), "
                f"got {tuple(images.shape)}."
            )
        return self.backbone((images.float() - 127.5) / 127.5).float()

    def forward(self, images: Tensor) -> Tensor:
        """Predict values (B, A) in the attributes' own units; arguments as of `scaled`."""
        return self.scaled(images) * self.half_range + self.center

    @property
    def hash(self) -> str:
        """SHA-256 of the weights as they are saved."""
        return saved_hash(self.backbone)

    def save(self, folder: str | Path) -> None:
        """Write `model.safetensors` (float16) and `card.json`, whole or not at all.

        Raises:
            FaceGeomError: When the files cannot be written.
        """
        card = {
            "architecture": self.architecture,
            "arguments": self.arguments,
            "ranges": {name: list(ends) for name, ends in self.ranges.items()},
            "training": self.training_facts,
        }
        save_network(self.backbone, folder, card)

    @classmethod
    def load(cls, folder: str | Path) -> AttributeRegressor:
        """Read what `save` wrote; on the CPU, in evaluation mode, float32.

        Raises:
            FaceGeomError: When a file is missing, damaged, or contradicts the other.
        """
        folder = Path(folder).expanduser()
        remedy = " Train one with `python train.py experiment=regressor`, or give another folder."
        card = read_card(folder, "attribute regressor", _FIELDS, remedy)
        try:
            regressor = cls(
                card["ranges"], card["architecture"], card["arguments"], card["training"]
            )
        except (FaceGeomError, TypeError, ValueError, AttributeError) as error:
            raise FaceGeomError(f"{folder / CARD}: {error}") from error
        described = f"{regressor.architecture} {regressor.arguments}"
        fill_network(regressor.backbone, folder, card, described)
        return regressor.eval()


@torch.inference_mode()
def measure(
    regressor: AttributeRegressor, faces: FaceSet | Tensor, batch_size: int = 128
) -> Tensor:
    """Measure every face in order.

    Args:
        regressor: Used where it stands (its device), and left in the mode it was in.
        faces: A face set, or RGB crops (N, 3, 112, 112), uint8.
        batch_size: Images at once.

    Returns:
        Values (N, A) in the attributes' units, float32 on the CPU.
    """
    device = next(regressor.parameters()).device
    batches: Iterable[Tensor] = faces.split(batch_size) if isinstance(faces, Tensor) else ()
    if isinstance(faces, FaceSet):
        loader = DataLoader(FaceDataset(faces, cache_mib=0), batch_size)
        batches = (batch[IMAGE] for batch in loader)
    training = regressor.training
    regressor.eval()
    parts = [regressor(images.to(device)).cpu() for images in batches]
    regressor.train(training)
    return torch.cat(parts) if parts else torch.empty(0, len(regressor.ranges))
