"""Each attribute moves its own property, steadily, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from facegeom_lit.attributes import vocabulary
from facegeom_lit.synthesis.renderer import FaceRenderer

RENDERER = FaceRenderer()
SPECS = {name: spec for name, spec in vocabulary().items() if spec.kind == "facial"}


def sweep(name: str, steps: int = 5, person: int = 5, **fixed: float) -> Tensor:
    """Images (steps, 3, H, W), float, of one person along the range of one attribute."""
    spec = SPECS[name]
    attributes = {key: torch.full((steps,), value) for key, value in fixed.items()}
    attributes[name] = torch.linspace(spec.low, spec.high, steps)
    return RENDERER(RENDERER.identity([person] * steps), attributes, [3] * steps).float()


def _mean(rows: slice, columns: slice, channel: slice = slice(None)) -> Callable[[Tensor], Tensor]:
    return lambda images: images[:, channel, rows, columns].mean((1, 2, 3))


def _nose_side(images: Tensor) -> Tensor:
    """Share of light on the left of the picture, which the turning head leaves."""
    return RENDERER.landmarks(
        RENDERER.identity([5] * len(images)),
        {"pose": torch.linspace(-60.0, 60.0, len(images))},
    )[:, 2, 0]


def _roughness(images: Tensor) -> Tensor:
    forehead = images[:, 1, 22:40, 40:72]
    return (forehead[:, 1:] - forehead[:, :-1]).abs().mean((1, 2))


MEASURES: dict[str, tuple[Callable[[Tensor], Tensor], int, dict[str, float]]] = {
    "hair_color": (_mean(slice(0, 8), slice(40, 72)), 1, {"hair_length": 0.5}),
    "skin_tone": (_mean(slice(60, 75), slice(28, 42)), -1, {}),
    "glasses": (_mean(slice(46, 60), slice(20, 92)), -1, {}),
    "beard": (_mean(slice(98, 110), slice(40, 72)), -1, {}),
    "illumination": (lambda i: i[..., 60:].mean((1, 2, 3)) - i[..., :52].mean((1, 2, 3)), 1, {}),
    "hair_length": (_mean(slice(50, 108), slice(2, 12)), -1, {"hair_color": 0.0}),
    "makeup": (_mean(slice(90, 97), slice(48, 64), slice(1, 2)), -1, {}),
    "mouth_opening": (_mean(slice(94, 102), slice(50, 62)), -1, {}),
    "age": (_roughness, 1, {"hair_length": 0.0}),
}


@pytest.mark.parametrize("name", sorted(MEASURES))
def test_own_measure_follows_the_attribute(name: str) -> None:
    measure, direction, fixed = MEASURES[name]
    values = measure(sweep(name, 3, **fixed)) * direction
    assert (values[1:] >= values[:-1] - 1.0).all(), values
    assert values[-1] > values[0] + 1.0, values


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_step_shows_and_no_step_leaps(name: str) -> None:
    fixed = {"hair_length": 0.5} if name != "hair_length" else {}
    images = sweep(name, 9, **fixed)
    change = (images[1:] - images[:-1]).abs().mean((1, 2, 3))
    assert (change > 0.05).all(), change
    assert change.max() < 0.5 * change.sum(), change


def test_hair_color_leaves_the_inner_face_alone() -> None:
    images = sweep("hair_color", 3, hair_length=0.5)
    inner = images[:, :, 45:105, 35:77]
    assert torch.equal(inner[0], inner[2])
    assert (images[0] - images[2])[:, :8, 40:72].abs().mean() > 30


def test_expression_and_mouth_leave_forehead_hair_and_background_alone() -> None:
    for name in ("expression", "mouth_opening"):
        images = sweep(name, 3)
        assert (images[0] - images[2])[:, :20].abs().max() <= 1


def test_light_from_the_left_brightens_the_left_half() -> None:
    images = sweep("illumination", 3)
    face = images[:, :, 30:100, 25:87].mean((1, 2))
    left, right = face[:, :31].mean(1), face[:, 31:].mean(1)
    assert left[0] > 1.2 * right[0]
    assert right[2] > 1.2 * left[2]
    assert (left[1] / right[1] - 1.0).abs() < 0.15


def test_nuisance_comes_from_the_seed_alone() -> None:
    identity = RENDERER.identity([5, 5])
    images = RENDERER(identity, {"pose": torch.tensor([0.0, 0.0])}, [1, 2]).float()
    assert (images[0] - images[1])[:, :, :6].abs().mean() > 3
    turned = RENDERER(identity, {"age": torch.tensor([20.0, 75.0])}, [1, 1]).float()
    corner = (turned[0] - turned[1])[:, 100:, :4]
    assert corner.abs().max() <= 1


def test_yaw_moves_the_nose() -> None:
    images = sweep("pose", 3)
    assert (_nose_side(images).diff() > 0).all()
    assert (images[0] - images[2]).abs().mean() > 10
