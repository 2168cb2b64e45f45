"""A maker of patterns whose attributes a known reader reads exactly, and that reader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from facegeom_lit.models.attribute_regressor import AttributeRegressor
from facegeom_lit.synthesis.photometric import apply_all
from facegeom_lit.synthesis.recipe import Sample


class DrawnMaker:
    """Draws age and pose as the length of two bars on a soft pattern of the person's own.

    Args:
        leak: Degrees of pose that a year of age adds.
        processes: As other makers have; one draws all.
    """

    name = "drawn"

    def __init__(self, leak: float = 0.0, processes: int | None = None) -> None:
        self.leak = leak
        self.version = f"1-{leak}"

    def render(self, samples: Sequence[Sample]) -> list[np.ndarray]:
        return [self._one(sample) for sample in samples]

    def original(self, sample: Sample) -> None:
        return None

    def _one(self, sample: Sample) -> np.ndarray:
        values = sample.attributes
        colours = np.random.default_rng(sample.identity_seed).uniform(100, 150, (14, 14, 3))
        image = np.kron(colours + np.array([15, 0, -15]), np.ones((8, 8, 1)))
        names = ("brightness", "contrast", "hue")
        image = apply_all(image.astype(np.uint8), {n: values[n] for n in names}, 0)
        pose = values["pose"] + self.leak * (values["age"] - 49)
        # the bars are drawn last, so that no operator changes them, and in mid-grey, so that they
        # do not count in its statistics
        image[:2] = 127
        image[0, : round(values["age"])] = 128
        image[1, : round(pose / 2 + 56)] = 128
        return image


class Reads(AttributeRegressor):
    """Reads what `DrawnMaker` drew."""

    def __init__(self) -> None:
        super().__init__({"age": (18, 80), "pose": (-60, 60)}, arguments={"width": 0.25})

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        age, pose = (images[:, 0, :2] == 128).sum(2).float().unbind(1)
        return torch.stack([age, 2 * (pose - 56)], dim=1)
