from __future__ import annotations

import numpy as np
import pytest
from faces.pictures import picture

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.crop import (
    TEMPLATE,
    align,
    estimate_similarity,
    fit_similarity,
    mirrored_order,
    template,
)
from facegeom_lit.synthesis.renderer import camera

SIZES = (112, 224, 128, 256)


def landmarks(seed: int) -> np.ndarray:
    """Five points of a face anywhere in a photo of 300×300, at any angle."""
    rng = np.random.default_rng(seed)
    angle, scale = rng.uniform(-np.pi, np.pi), rng.uniform(0.4, 2.0)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    centred = TEMPLATE - TEMPLATE.mean(0) + rng.normal(0, 3, (5, 2))
    return centred @ np.array([[c, s], [-s, c]]) + rng.uniform(80, 220, 2)


def test_the_template_is_the_renderers() -> None:
    assert np.array_equal(TEMPLATE, np.array(camera.TEMPLATE))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_the_similarity_is_umeyamas(seed: int, size: int) -> None:
    transform = pytest.importorskip("skimage.transform")
    points = landmarks(seed)
    theirs = transform.SimilarityTransform.from_estimate(points, template(size)).params[:2]
    assert np.allclose(estimate_similarity(points, size), theirs, atol=1e-9)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of skimage, in insightface
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_the_crop_is_insightfaces(seed: int, size: int) -> None:
    face_align = pytest.importorskip("insightface.utils.face_align")
    points, photo = landmarks(seed).astype(np.float32), picture(seed, 300)
    assert np.allclose(
        estimate_similarity(points, size), face_align.estimate_norm(points, size), atol=2e-3
    )  # its template is float32
    ours, theirs = align(photo, points, size), face_align.norm_crop(photo, points, size)
    assert ours.shape == (size, size, 3)
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_what_the_photo_does_not_show_is_black_or_drawn_out() -> None:
    photo = np.full((40, 40, 3), 200, np.uint8)  # smaller than the crop
    black, drawn_out = (align(photo, TEMPLATE, border=b) for b in ("constant", "replicate"))
    assert (black[:40, :40] == 200).all()
    assert (black[45:] == 0).all()
    assert (drawn_out == 200).all()


def test_points_on_the_template_change_nothing() -> None:
    photo = picture(1)
    assert np.array_equal(align(photo, TEMPLATE), photo)


def test_swapped_eyes_are_noticed_at_any_angle() -> None:
    for seed in range(20):
        points = landmarks(seed)
        assert not mirrored_order(points)
        assert mirrored_order(points[[1, 0, 2, 4, 3]])
    profile = TEMPLATE.copy()
    profile[[0, 1, 3, 4], 0] = 50, 51, 51, 50  # the eyes nearly meet: nothing is said
    assert not mirrored_order(profile)


def test_what_cannot_be_aligned_is_refused() -> None:
    photo = picture(1)
    with pytest.raises(FaceGeomError, match="multiple of 112 or 128, got 100"):
        align(photo, TEMPLATE, 100)
    with pytest.raises(FaceGeomError, match="same place"):
        align(photo, np.full((5, 2), 7.0))
    with pytest.raises(FaceGeomError, match="not finite"):
        align(photo, np.full((5, 2), np.nan))
    with pytest.raises(FaceGeomError, match=r"five landmarks \(5, 2\), got shape \(4, 2\)"):
        align(photo, TEMPLATE[:4])
    with pytest.raises(FaceGeomError, match="border must be one of constant, replicate"):
        align(photo, TEMPLATE, border="reflect")  # type: ignore[arg-type]
    with pytest.raises(FaceGeomError, match="uint8"):
        align(photo.astype(np.float32), TEMPLATE)  # type: ignore[arg-type]
    with pytest.raises(FaceGeomError, match="N ≥ 2 points"):
        fit_similarity([(1, 2)], [(3, 4)])
