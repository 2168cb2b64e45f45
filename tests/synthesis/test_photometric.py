from __future__ import annotations

import numpy as np
import pytest

from facegeom_lit.attributes import vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.photometric import apply, apply_all

IMAGE = [name for name, spec in vocabulary().items() if spec.kind == "image"]


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """A smooth, coloured picture with an edge: something to lose for every operator."""
    y, x = np.mgrid[0:112, 0:112] / 111
    picture = np.stack([0.35 + 0.3 * x, 0.3 + 0.2 * y, 0.25 + 0.2 * x * y], -1)
    picture[40:70, 30:80] += 0.15
    picture += 0.02 * np.sin(60 * x)[..., None]
    return np.rint(picture * 255).astype(np.uint8)


@pytest.mark.parametrize("name", IMAGE)
def test_default_is_the_image_itself(name: str, face: np.ndarray) -> None:
    assert apply(name, face, vocabulary()[name].default, 0) is face


@pytest.mark.parametrize("name", IMAGE)
def test_stronger_changes_more(name: str, face: np.ndarray) -> None:
    spec, before = vocabulary()[name], face.copy()
    for end in (spec.low, spec.high):
        values = np.linspace(spec.default, end, 6)[1:]
        made = [apply(name, face, float(value), 3) for value in values]
        for image, value in zip(made, values, strict=True):
            assert image.dtype == np.uint8
            assert image.shape == face.shape
            np.testing.assert_array_equal(image, apply(name, face, float(value), 3))
        change = [np.abs(image.astype(int) - face).mean() for image in made]
        assert end == spec.default or (np.diff(change) > 0).all(), change
    np.testing.assert_array_equal(face, before)


def test_known_answers(face: np.ndarray) -> None:
    grey = np.full((8, 8, 3), 100, np.uint8)
    assert (apply("brightness", grey, -0.2, 0) == 49).all()
    assert (apply("contrast", grey, 1.0, 0) == round((0.5 + 2 * (100 / 255 - 0.5)) * 255)).all()
    assert abs(apply("noise", np.full_like(face, 128), 0.1, 0).std() - 25.5) < 0.3
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    turned = apply("hue", red, 30.0, 0)[0, 0].astype(int)
    np.testing.assert_allclose(turned, [200, 100, 0], atol=1)
    brown = np.full((8, 8, 3), (120, 80, 60), np.uint8)
    faded = apply("saturation", brown, -1.0, 0)[0, 0].astype(int)
    assert faded[0] - faded[2] == pytest.approx(30, abs=1)
    line = np.zeros((31, 31, 3), np.uint8)
    line[:, 15] = 255
    x = np.arange(31) - 15
    for sigma in (1.0, 2.0):
        spot = apply("blur", line, sigma, 0)[15, :, 0].astype(float)
        assert np.sqrt((spot * x**2).sum() / spot.sum()) == pytest.approx(sigma, rel=0.03)


def test_low_resolution_keeps_so_many_pixels(face: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    spectrum = np.abs(np.fft.fft2(apply("low_resolution", noise, 2.0, 0).mean(-1)))
    assert spectrum[28:84, 28:84].mean() < 0.15 * spectrum[:8, :8].mean()


def test_jpeg_does_not_swap_colours() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    made = apply("jpeg", red, 0.3, 0)[8, 8].astype(int)
    np.testing.assert_allclose(made, [200, 0, 0], atol=8)


def test_one_seed_one_pattern(face: np.ndarray) -> None:
    weak, strong = (apply("noise", face, s, 5).astype(float) - face for s in (0.03, 0.06))
    assert np.corrcoef(weak.ravel(), strong.ravel())[0, 1] > 0.98
    assert (apply("noise", face, 0.03, 6) != apply("noise", face, 0.03, 5)).any()


def test_apply_all(face: np.ndarray) -> None:
    both = apply_all(face, {"hue": 10.0, "brightness": 0.1}, 0)
    np.testing.assert_array_equal(both, apply("hue", apply("brightness", face, 0.1, 0), 10.0, 0))
    assert apply_all(face, {name: vocabulary()[name].default for name in IMAGE}, 0) is face


def test_faults_are_named(face: np.ndarray) -> None:
    with pytest.raises(FaceGeomError, match=r"'age' is no image attribute\. Those are: bright"):
        apply("age", face, 30, 0)
    with pytest.raises(FaceGeomError, match="'hue': value 50 lies outside"):
        apply("hue", face, 50, 0)
    with pytest.raises(FaceGeomError, match="'hue': value nan"):
        apply("hue", face, float("nan"), 0)
