from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facegeom_lit.attributes import attribute
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.synthesis.photo_lattice import PhotoMaker, PhotoRecipe
from facegeom_lit.synthesis.photometric import apply
from facegeom_lit.synthesis.writer import generate, production_hash


@pytest.fixture
def photos(tmp_path: Path) -> FaceSet:
    rows = []
    for number in range(7):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append({"identity": "ba"[number % 2], "path": f"{number}.png"})
    return FaceSet.from_rows(rows, folder=tmp_path)


def test_photos_become_nodes(photos: FaceSet, tmp_path: Path) -> None:
    recipe = PhotoRecipe(photos, ("brightness", "blur"), nodes=2)
    assert len(recipe) == len(recipe.samples()) == 2 * 2 * 5
    lattice = Lattice.from_face_set(generate(recipe, tmp_path / "set", PhotoMaker(photos), False))
    assert lattice.identity["blur"] == ["a", "a", "b", "b"]
    faces, curve = lattice.face_set, lattice.curves["brightness"][3].tolist()
    assert faces.attribute("brightness")[curve].tolist() == pytest.approx([-0.12, 0, 0.12])
    middle = apply("blur", photos.image(6), 0.7, seed=6)  # the last photo of b
    np.testing.assert_array_equal(faces.image(curve[1]), middle)
    # a photo of its own kind: brightness comes before blur
    dark = apply("blur", apply("brightness", photos.image(6), -0.12, 6), 0.7, 6)
    np.testing.assert_array_equal(faces.image(curve[0]), dark)


def test_a_changed_attribute_counts(photos: FaceSet) -> None:
    changed = replace(attribute("hue"), step=15.0, low=-20.0, high=10.0)
    plain = PhotoRecipe(photos, ("hue", "blur"), 1)
    recipe = PhotoRecipe(photos, ("hue", "blur"), 1, {"hue": changed, "pose": attribute("pose")})
    assert set(recipe.specs) == {"hue", "blur"}
    steps = {(s.moving, s.step): s.attributes["hue"] for s in recipe.samples(0, 5)}
    assert [steps["hue", 0], steps["", 1], steps["hue", 2]] == [-20, -5, 10]
    maker = PhotoMaker(photos)
    assert production_hash(recipe, maker) != production_hash(plain, maker)


def test_faults_are_named(photos: FaceSet) -> None:
    with pytest.raises(FaceGeomError, match="'age' is a facial attribute"):
        PhotoRecipe(photos, ("age",), 1)
    with pytest.raises(FaceGeomError, match="twice: hue, hue"):
        PhotoRecipe(photos, ("hue", "hue"), 1)
    far = replace(attribute("hue"), step=60.0, low=-90.0, high=90.0)
    with pytest.raises(FaceGeomError, match=r"'hue': value -60\.0 lies outside \[-40\.0, 40\.0\]"):
        PhotoRecipe(photos, ("hue",), 1, {"hue": far})


def test_the_version_follows_from_the_operator() -> None:
    assert len(PhotoMaker.version) == 12
