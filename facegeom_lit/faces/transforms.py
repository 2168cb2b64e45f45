"""Changes made to an image while training, the same for one (seed, epoch, row) for ever.

A transform takes the image, the value of the targeted attribute and a generator, and returns
image and value: whatever moves the attribute says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError

Pixels = NDArray[np.uint8]


class Transform(Protocol):
    """Changes an image, and the value of its targeted attribute with it."""

    def __call__(
        self, image: Pixels, value: float, generator: np.random.Generator
    ) -> tuple[Pixels, float]:
        """Return the changed uint8 (H, W, 3) image and the value it now has."""


def generator_for(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Return the generator of one image in one epoch.

    It depends on nothing else, so neither workers nor an interruption change an image.

    Example:
        >>> generator_for(0, 1, 7).random() == generator_for(0, 1, 7).random()
        True
    """
    return np.random.default_rng([seed, epoch, index])


class MirrorFlip:
    """Mirror left and right.

    Args:
        probability: In [0, 1].
        signed: Whether the targeted attribute changes sign in a mirror (head yaw, light azimuth).

    Raises:
        FaceGeomError: When the probability is none.
    """

    def __init__(self, probability: float = 0.5, *, signed: bool = False) -> None:
        if not 0 <= probability <= 1:
            raise FaceGeomError(f"Mirror probability must lie in [0, 1], got {probability}.")
        self.probability = probability
        self.signed = signed

    def __call__(
        self, image: Pixels, value: float, generator: np.random.Generator
    ) -> tuple[Pixels, float]:
        """Flip the image with the given probability."""
        if generator.random() >= self.probability:
            return image, value
        return np.ascontiguousarray(image[:, ::-1]), -value if self.signed else value


class MoveImageAttribute:
    """Set an image attribute to a random value: attribute-targeted augmentation of real faces.

    Args:
        operator: `(image, value, seed) -> image`, e.g. one attribute of
            `facegeom_lit.synthesis.photometric` (a layer above this one, hence a callable).
        low: Smallest value.
        high: Largest value.
    """

    def __init__(
        self, operator: Callable[[Pixels, float, int], Pixels], low: float, high: float
    ) -> None:
        self.operator = operator
        self.low = low
        self.high = high

    def __call__(
        self, image: Pixels, value: float, generator: np.random.Generator
    ) -> tuple[Pixels, float]:
        """Draw a value uniformly and apply it; the image's earlier value is taken as default."""
        drawn = float(generator.uniform(self.low, self.high))
        return self.operator(image, drawn, int(generator.integers(2**31))), drawn


class Chain:
    """Several transforms, one after the other."""

    def __init__(self, *transforms: Transform) -> None:
        self.transforms = transforms

    def __call__(
        self, image: Pixels, value: float, generator: np.random.Generator
    ) -> tuple[Pixels, float]:
        """Apply each in turn."""
        for transform in self.transforms:
            image, value = transform(image, value, generator)
        return image, value
