from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.alignment_check import (
    OTHER_TEMPLATES,
    Tolerance,
    check_alignment,
    common_orientation,
    find_points,
    turned_back,
)
from facegeom_lit.faces.crop import TEMPLATE
from facegeom_lit.faces.detectors import Detection

SQUARE = (112, 112)
CENTER = TEMPLATE.mean(0)


def moved(scale: float = 1.0, degrees: float = 0.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """The template, moved."""
    turn = np.exp(1j * math.radians(degrees)) * scale
    centred = (TEMPLATE - CENTER) @ [1, 1j] * turn
    return np.stack([centred.real, centred.imag], 1) + CENTER + (x, y)


def crowd(points: np.ndarray, noise: float = 2.0, count: int = 60) -> np.ndarray:
    """Points of many crops around `points`."""
    rng = np.random.default_rng(0)
    return points + rng.normal(0, noise, (count, 5, 2))


def test_known_misalignments_are_measured() -> None:
    check = check_alignment(crowd(moved(1.2, 8.0, -5.0, 3.0)), SQUARE)
    assert check.offset == pytest.approx((-5, 3), abs=0.4)
    assert check.scale == pytest.approx(1.2, abs=0.02)
    assert check.rotation == pytest.approx(8, abs=0.8)
    assert check.verdict == "not aligned"
    said = " ".join(check.reasons)
    for part in ("px too far left", "px too low", "% too large", "° clockwise"):
        assert part in said


def test_aligned_crops_of_any_size_are_aligned() -> None:
    for side in (112, 224):
        points = (crowd(TEMPLATE) + 0.5) * side / 112 - 0.5
        check = check_alignment(points, (side, side))
        assert check.verdict == "aligned"
        assert check.reasons == ()
        assert check.likely == ""
        assert check.beyond == 0
        assert np.allclose(check.point_rms, 2 * math.sqrt(2), atol=0.6)


@pytest.mark.parametrize("name", list(OTHER_TEMPLATES))
def test_other_templates_are_named(name: str) -> None:
    check = check_alignment(crowd(OTHER_TEMPLATES[name]), SQUARE)
    assert (check.verdict, check.likely) == ("not aligned", name)


@pytest.mark.parametrize(
    ("points", "shape", "word"),
    [
        (moved(degrees=180), SQUARE, "upside-down"),
        (moved(degrees=90), SQUARE, "on their side"),
        (moved(0.23), SQUARE, "left and right swapped"),
        (moved(0.75), SQUARE, "box with a margin"),
        (TEMPLATE - (8, 0), (112, 96), "112×96"),
        (TEMPLATE, (218, 178), "CelebA"),
    ],
)
def test_other_faults_are_named(points: np.ndarray, shape: tuple[int, int], word: str) -> None:
    assert word in check_alignment(crowd(points), shape).likely


def test_faces_at_all_angles_are_not_upright() -> None:
    angles = np.random.default_rng(0).normal(0, 12, 60)
    check = check_alignment(np.stack([moved(degrees=angle) for angle in angles]), SQUARE)
    assert check.rotation_spread == pytest.approx(12, abs=4)
    assert "not upright" in " ".join(check.reasons)


def test_a_part_of_a_set_that_is_off_is_noticed() -> None:
    points = crowd(TEMPLATE)
    points[::3] += 15
    check = check_alignment(points, SQUARE)
    assert check.beyond == pytest.approx(1 / 3, abs=0.01)
    assert "33 % of the crops are off" in " ".join(check.reasons)


def test_crops_without_faces_are_not_judged() -> None:
    points = crowd(TEMPLATE)
    points[:40] = np.nan
    check = check_alignment(points, SQUARE)
    assert (check.verdict, check.found, check.crops) == ("cannot tell", 20, 60)
    assert "found in 20 of 60 crops only" in check.reasons[0]
    with pytest.raises(FaceGeomError, match="no crops"):
        check_alignment(points[:0], SQUARE)
    with pytest.raises(FaceGeomError, match=r"tolerance\.scale"):
        Tolerance(scale=0)


class BrightSpots:
    """Takes two bright spots for the eyes, if they stand beside each other."""

    def facts(self) -> dict[str, object]:
        return {}

    def check(self, photos: object) -> None:
        pass

    def detect(self, image: NDArray[np.uint8], path: str = "") -> list[Detection]:
        across = np.flatnonzero(image[..., 0].max(0) > 128)
        down = np.flatnonzero(image[..., 0].max(1) > 128)
        if not len(across) or np.ptp(across) < np.ptp(down) or down.mean() > len(image) / 2:
            return []
        left, right, top = across.min(), across.max(), down.mean()
        points = np.array([(left, top), (right, top), (left, top), (left, top), (right, top)])
        return [Detection(np.array([left, top, right, top]), 0.9, points.astype(float))]


@pytest.mark.parametrize("turns", range(4))
def test_points_are_found_whichever_way_up(turns: int) -> None:
    crop = np.zeros((112, 112, 3), np.uint8)
    crop[40:43, 30:33] = crop[40:43, 70:73] = 255
    lying = np.ascontiguousarray(np.rot90(crop, -turns))
    found = common_orientation([lying], BrightSpots())
    assert found == turns
    points = find_points(lying, BrightSpots(), found)
    expected = turned_back(np.array([[31.0, 41.0], [71.0, 41.0]]), turns, (112, 112))
    assert np.abs(points[:2] - expected).max() < 2.5
    assert np.isnan(find_points(np.zeros((112, 112, 3), np.uint8), BrightSpots())).all()


def test_small_faults_are_not_judged_in_doubt() -> None:
    down = np.array([0.0, 1.0])
    low = np.stack([TEMPLATE + 4.5 * down] * 5)
    assert check_alignment(low, (112, 112)).verdict == "not aligned"
    assert check_alignment(low, (112, 112), doubt=1.5).verdict == "cannot tell"
    assert check_alignment(low + 4 * down, (112, 112), doubt=1.5).verdict == "not aligned"


def test_the_farthest_crops_are_named_first() -> None:
    points = np.stack([TEMPLATE] * 10)
    points[3] += 9
    points[7] += 20
    check = check_alignment(points, (112, 112))
    assert (check.verdict, check.outliers) == ("aligned", (7, 3))
