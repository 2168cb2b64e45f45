"""The identity vector: what makes one rendered person differ from another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: Name of each coordinate of the identity vector, in order. Each is uniform in [-1, 1].
COORDINATES: tuple[str, ...] = (
    # bone structure
    "build", "head_width", "skull_height", "face_length", "jaw_width", "jaw_angle",
    "chin_length", "chin_width", "chin_projection", "cheekbones", "cheek_fullness",
    "forehead_slope", "brow_ridge",
    # eyes
    "eye_size", "eye_spacing", "eye_tilt", "eye_depth", "eye_opening", "lid_fold",
    "iris_hue", "iris_lightness", "under_eye",
    # nose
    "nose_length", "nose_width", "nose_bridge", "nose_hump", "nose_tip", "nose_bulb",
    "nose_projection",
    # mouth
    "mouth_width", "mouth_height", "upper_lip", "lower_lip", "lip_bow", "lip_color",
    # brows
    "brow_height", "brow_tilt", "brow_arch", "brow_thickness", "brow_gap", "brow_color",
    # ears
    "ear_size", "ear_angle",
    # hair
    "hairline_height", "hairline_peak", "hair_parting", "hair_curl", "hair_volume",
    "hair_fringe", "balding", "beard_shape",
    # skin
    "freckles", "freckle_pattern", "mole_x", "mole_y", "mole_size", "skin_redness",
    "skin_undertone",
)  # fmt: skip


def draw_identities(seeds: Sequence[int]) -> Tensor:
    """Draw one identity vector per seed, independently.

    Args:
        seeds: One integer a person; the same seed is the same person.

    Returns:
        (B, K) float32 in [-1, 1], K = len(COORDINATES).

    Example:
        >>> draw_identities([1, 2]).shape == (2, len(COORDINATES))
        True
    """
    generator = torch.Generator()
    vectors = torch.empty(len(seeds), len(COORDINATES))
    for row, seed in zip(vectors, seeds, strict=True):
        generator.manual_seed(int(seed))
        row.uniform_(-1.0, 1.0, generator=generator)
    return vectors
