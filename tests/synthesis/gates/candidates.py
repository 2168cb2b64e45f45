"""Candidates with known pictures, for the tests of gates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facegeom_lit.attributes import vocabulary
from facegeom_lit.synthesis.gates import Candidate
from facegeom_lit.synthesis.recipe import Sample

DEFAULTS = {name: spec.default for name, spec in vocabulary().items()}


def flat(*rgb: int, side: int = 112) -> NDArray[np.uint8]:
    """A picture of one colour."""
    return np.tile(np.array(rgb, np.uint8), (side, side, 1))


def candidate(
    image: NDArray[np.uint8],
    reference: NDArray[np.uint8] | None,
    moving: str = "age",
    asked: float = 12.0,
) -> Candidate:
    """A candidate that should differ from its reference by `asked`: by default a step of age."""
    sample = Sample("r000000", 0, DEFAULTS, 0, -1, moving)
    return Candidate(sample, image, reference, asked)
