from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegeom_lit.synthesis.recipe import Sample


class FakeMaker:
    """Draws a grey square whose shade and grain follow from the sample."""

    name = "fake"
    version = "1"

    def __init__(self) -> None:
        self.made = 0

    def render(self, samples: Sequence[Sample]) -> list[np.ndarray]:
        self.made += len(samples)
        return [self._one(sample) for sample in samples]

    def original(self, sample: Sample) -> None:
        return None

    def _one(self, sample: Sample) -> np.ndarray:
        grain = np.random.default_rng(sample.seed).integers(0, 50, (16, 16, 3), dtype=np.uint8)
        return (grain + int(sample.attributes["age"])).astype(np.uint8)
