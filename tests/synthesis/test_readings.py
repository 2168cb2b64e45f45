from __future__ import annotations

from pathlib import Path

import pytest
import torch
from synthesis.drawn import DrawnMaker, Reads

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.readings import check_measurable, read_lattice
from facegeom_lit.synthesis.recipe import Recipe

NAMES = ("age", "pose", "brightness", "contrast", "hue")


@pytest.fixture(scope="module")
def lattice(tmp_path_factory: pytest.TempPathFactory) -> FaceSet:
    recipe = Recipe("lattice", 4, nodes=3, measured=NAMES, split="lattice", spread=0.3)
    folder = tmp_path_factory.mktemp("made")
    return prepare_face_set(recipe, DrawnMaker(), folder, progress=False)


def test_an_exact_maker_is_read_exactly(lattice: FaceSet) -> None:
    readings = read_lattice(lattice, NAMES, Reads())
    assert readings.attributes == NAMES
    assert readings.requested["age"].shape == (12, 3)
    for name in NAMES:
        found = readings.following(name)
        assert found.r2 > 0.97, (name, found)
        assert found.monotone_share == 1.0
    leakage = readings.leakage()
    torch.testing.assert_close(leakage.diagonal(), torch.ones(5).double(), atol=0.1, rtol=0)
    assert float(leakage[:2, :2].fill_diagonal_(0).abs().max()) < 0.05


def test_image_attributes_are_relative_to_the_middle(lattice: FaceSet) -> None:
    readings = read_lattice(lattice, NAMES, Reads())
    step = 0.12
    assert readings.requested["brightness"][0].tolist() == pytest.approx([-step, 0, step])
    assert readings.measured["brightness"][:, 1].tolist() == [0.0] * 12
    assert len(readings.pairs("brightness")[0]) == 24
    assert len(readings.pairs("age")[0]) == 36


def test_a_maker_that_leaks_is_caught(tmp_path: Path) -> None:
    recipe = Recipe("lattice", 4, nodes=3, measured=("age", "pose"), split="lattice", spread=0.3)
    faces = prepare_face_set(recipe, DrawnMaker(leak=0.5), tmp_path, progress=False)
    leakage = read_lattice(faces, ("age", "pose"), Reads()).leakage()
    # half a degree of pose for each year of age: 6 of 15 degrees per step of 12 years
    torch.testing.assert_close(leakage[0, 1], torch.tensor(0.4).double(), atol=0.05, rtol=0)
    assert abs(float(leakage[1, 0])) < 0.05


def test_what_nothing_reads_is_named() -> None:
    with pytest.raises(FaceGeomError, match=r"nothing reads 'noise'.*age, pose, brightness"):
        check_measurable(["age", "noise"], Reads())
    with pytest.raises(FaceGeomError, match="Unknown attribute"):
        check_measurable(["nose"], Reads())
