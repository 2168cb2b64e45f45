"""The renderer's contract: shapes, determinism to the bit, alignment, bad input."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.renderer import FaceRenderer
from facegeom_lit.synthesis.renderer.camera import TEMPLATE, align
from facegeom_lit.synthesis.renderer.identity import COORDINATES

RENDERER = FaceRenderer()


def _batch() -> tuple[Tensor, dict[str, Tensor], list[int]]:
    attributes = {
        "pose": torch.tensor([0.0, 40.0, -60.0]),
        "pitch": torch.tensor([0.0, -20.0, 25.0]),
        "mouth_opening": torch.tensor([0.0, 1.0, 0.3]),
        "glasses": torch.tensor([0.0, 1.0, 0.5]),
        "beard": torch.tensor([0.0, 0.7, 0.0]),
        "hair_length": torch.tensor([0.0, 0.5, 1.0]),
        "age": torch.tensor([18.0, 50.0, 80.0]),
    }
    return RENDERER.identity([1, 2, 3]), attributes, [10, 11, 12]


def test_shape_and_type() -> None:
    identity, attributes, seeds = _batch()
    images = RENDERER(identity, attributes, seeds)
    assert images.shape == (3, 3, RENDERER.size, RENDERER.size)
    assert images.dtype == torch.uint8
    assert images.float().std() > 20
    assert RENDERER(identity[:0], {}, []).shape == (0, 3, RENDERER.size, RENDERER.size)


def test_at_least_32_identity_coordinates() -> None:
    assert RENDERER.identity_dim == len(COORDINATES) == len(set(COORDINATES)) >= 32


def test_vocabulary_does_not_collide_with_identity() -> None:
    assert len(RENDERER.attributes) == 12
    assert not set(RENDERER.attributes) & set(COORDINATES)


def test_same_bits_whatever_the_batch_order_and_threads() -> None:
    identity, attributes, seeds = _batch()
    together = RENDERER(identity, attributes, seeds)
    order = [2, 0, 1]
    moved = {name: values[order] for name, values in attributes.items()}
    assert torch.equal(RENDERER(identity[order], moved, [seeds[i] for i in order]), together[order])
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for i in range(3):
                alone = {name: values[i : i + 1] for name, values in attributes.items()}
                image = RENDERER(identity[i : i + 1], alone, seeds[i : i + 1])[0]
                assert torch.equal(image, together[i])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_seeds_give_independent_people() -> None:
    people = RENDERER.identity(range(400))
    assert torch.equal(RENDERER.identity([7]), people[7:8])
    assert people.abs().max() <= 1.0
    correlation = torch.corrcoef(people.T) - torch.eye(RENDERER.identity_dim)
    assert correlation.abs().max() < 0.25
    assert torch.corrcoef(people).fill_diagonal_(0.0).abs().mean() < 0.15


@pytest.mark.slow
def test_every_identity_coordinate_is_visible() -> None:
    # a beard and a view from the side show what a shaven frontal face hides
    attributes = {"beard": 0.6, "pose": 25.0, "age": 55.0}
    middle = torch.zeros(1, RENDERER.identity_dim)
    middle[0, COORDINATES.index("freckles")] = 0.8
    for i, name in enumerate(COORDINATES):
        ends = middle.repeat(2, 1)
        ends[0, i], ends[1, i] = -1.0, 1.0
        images = RENDERER(
            ends, {key: torch.full((2,), value) for key, value in attributes.items()}, [1, 1]
        ).float()
        assert (images[0] - images[1]).abs().amax() > 8, name


def test_frontal_landmarks_are_near_the_template() -> None:
    identity = RENDERER.identity(range(50))
    distance = (RENDERER.landmarks(identity, {}) - torch.tensor(TEMPLATE)).norm(dim=-1)
    assert distance.mean() < 1.5
    assert distance.mean(0).max() < 2.0


def test_alignment_is_the_least_squares_similarity() -> None:
    skimage = pytest.importorskip("skimage.transform")
    points = [(-0.3, 0.3), (0.33, 0.28), (0.2, -0.1), (-0.2, -0.5), (0.3, -0.45)]
    ours = align(points)
    source = torch.tensor([(x, -y) for x, y in points]).numpy()
    reference = skimage.SimilarityTransform.from_estimate(source, torch.tensor(TEMPLATE).numpy())
    expected = torch.as_tensor(reference(source)).float()
    assert torch.allclose(
        torch.tensor([ours.to_crop(*point) for point in points]), expected, atol=1e-3
    )


def test_yaw_moves_the_nose_against_the_eyes() -> None:
    identity = RENDERER.identity([4]).repeat(3, 1)
    points = RENDERER.landmarks(identity, {"pose": torch.tensor([-30.0, 0.0, 30.0])})
    offset = points[:, 2, 0] - points[:, :2, 0].mean(1)
    assert offset[0] < -4 < offset[1] < 4 < offset[2]


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ({"smile": torch.zeros(2)}, "smile"),
        ({"brightness": torch.zeros(2)}, "brightness"),
        ({"pose": torch.tensor([0.0, 61.0])}, "pose"),
        ({"age": torch.tensor([float("nan"), 30.0])}, "age"),
        ({"beard": torch.zeros(3)}, "beard"),
    ],
)
def test_bad_attributes_are_named(attributes: dict[str, Tensor], word: str) -> None:
    with pytest.raises(FaceGeomError, match=word):
        RENDERER(RENDERER.identity([1, 2]), attributes, [1, 2])


def test_bad_identity_and_seeds_are_named() -> None:
    identity = RENDERER.identity([1, 2])
    with pytest.raises(FaceGeomError, match="seeds"):
        RENDERER(identity, {}, [1])
    with pytest.raises(FaceGeomError, match="identity"):
        RENDERER(identity[:, :5], {}, [1, 2])
    with pytest.raises(FaceGeomError, match="identity"):
        RENDERER(identity * float("nan"), {}, [1, 2])
