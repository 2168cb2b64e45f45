from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from facegeom_lit.geometry.image_statistics import (
    STATISTICS,
    image_statistics,
    statistic_changes,
)
from facegeom_lit.synthesis.photometric import apply, apply_all


def photo() -> np.ndarray:
    """Soft colours that no moderate operator clips."""
    noise = np.random.default_rng(0).uniform(100, 150, (14, 14, 3))
    return np.kron(noise + np.array([15, 0, -15]), np.ones((8, 8, 1))).astype(np.uint8)


def tensor(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())


def changes(image: np.ndarray, reference: np.ndarray, contrast: float = 0.0) -> torch.Tensor:
    found = (image_statistics(tensor(pixels)) for pixels in (image, reference))
    return statistic_changes(*found, torch.tensor([contrast]))[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("brightness", 0.15),
        ("brightness", -0.2),
        ("contrast", 0.6),
        ("contrast", -0.7),
        ("hue", 25.0),
        ("hue", -40.0),
    ],
)
def test_an_operator_moves_its_own_statistic_by_its_value(name, value) -> None:
    reference = photo()
    change = changes(apply(name, reference, value, 0), reference)
    column = STATISTICS.index(name)
    assert float(change[column]) == pytest.approx(value, rel=0.03)


def test_brightness_is_read_through_the_contrast_after_it() -> None:
    low = apply_all(photo(), {"brightness": -0.05, "contrast": 0.8}, 0)
    high = apply_all(photo(), {"brightness": 0.05, "contrast": 0.8}, 0)
    change = changes(high, low, 0.8)
    assert float(change[0]) == pytest.approx(0.1, rel=0.03)


def test_hue_agrees_with_colorsys_and_wraps() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (1, 30, 3), dtype=np.uint8)
    total = 0j
    for rgb in pixels[0] / 255:
        hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
        total += saturation * value * np.exp(2j * np.pi * hue)
    found = image_statistics(tensor(pixels))[0, 2]
    assert float(found) == pytest.approx(np.degrees(np.angle(total)), abs=1e-6)
    cyan = [np.full((2, 2, 3), c, np.uint8) for c in ([0, 255, 235], [0, 235, 255])]
    change = changes(cyan[1], cyan[0])[2]
    assert float(change) == pytest.approx(9.4, abs=0.1)


def test_a_grey_picture_is_no_error() -> None:
    assert bool(image_statistics(torch.full((1, 3, 4, 4), 90)).isfinite().all())
