from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facegeom_lit.attributes import attribute
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_folder
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.synthesis.editors.editor import Edit
from facegeom_lit.synthesis.edits import EditMaker, EditRecipe
from facegeom_lit.synthesis.photometric import Pixels, apply
from facegeom_lit.synthesis.writer import generate, production_hash

NAMES = ("age", "pose")


class Shift:
    """Adds ten times the share to every pixel, and one: it leaves its mark on every image."""

    name = "shift"
    version = "1"

    def __init__(self) -> None:
        self.edits: list[Edit] = []

    def edit(self, photos: Sequence[Pixels], edits: Sequence[Edit]) -> list[Pixels]:
        self.edits += edits
        return [
            (photo.astype(int) + 1 + round(10 * edit.share)).astype(np.uint8)
            for photo, edit in zip(photos, edits, strict=True)
        ]


@pytest.fixture
def photos(tmp_path: Path) -> FaceSet:
    for person in range(2):
        for image in range(3):
            path = tmp_path / "photos" / f"p{person}" / f"{image}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((112, 112, 3), 50 + 20 * person + image, np.uint8)).save(path)
    return read_folder(tmp_path / "photos")


def recipe(photos: FaceSet, **changes: object) -> EditRecipe:
    values = torch.tensor([[40.0, 3.0], [79.0, -60.0], [30.0, 0.0]]).repeat(2, 1)
    whole = EditRecipe(photos, "lattice", ("age", "hue"), values, NAMES)
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_a_photo_becomes_a_node(photos: FaceSet, tmp_path: Path) -> None:
    editor = Shift()
    made = recipe(photos)
    assert made.unit == 5
    assert len(made) == 30
    faces = generate(made, tmp_path / "set", EditMaker(made, editor), False)
    lattice = Lattice.from_face_set(faces)
    assert lattice.curves["age"].shape == lattice.curves["hue"].shape == (6, 3)
    down, middle, up = lattice.curves["age"][0].tolist()
    spec = attribute("age")
    values = faces.attribute("age")
    assert values[[down, middle, up]].tolist() == [40 - spec.step, 40, 40 + spec.step]
    share = 2 * spec.step / (spec.high - spec.low)
    assert int(faces.image(up)[0, 0, 0]) == 51 + round(10 * share)
    assert int(faces.image(middle)[0, 0, 0]) == 51  # drawn again, as it is
    turned = faces.image(int(lattice.curves["hue"][0, 2]))
    np.testing.assert_array_equal(
        turned, apply("hue", faces.image(middle), attribute("hue").step, 0)
    )
    assert len(editor.edits) == 6 * 3  # hue is moved on the middle image


def test_a_curve_at_the_end_of_the_range_is_one_sided(photos: FaceSet) -> None:
    nodes = [s for s in recipe(photos).samples() if s.identity_seed == 1]
    ages = {s.step: s.attributes["age"] for s in nodes if s.moving in ("", "age")}
    assert ages == {0: 67.0, 1: 79.0, 2: 80.0}
    assert nodes[0].attributes["pose"] == -60.0


def test_the_production_holds_all_that_decides_a_pixel(photos: FaceSet) -> None:
    plain = recipe(photos)
    editor = Shift()
    hashes = {
        production_hash(r, EditMaker(r, editor))
        for r in (
            plain,
            recipe(photos, values=plain.values + 1),
            recipe(photos, quality=10),
            recipe(photos, seed=1),
            recipe(photos, per_identity=1),
        )
    }
    assert len(hashes) == 5


def test_variations_spread_over_the_range(photos: FaceSet) -> None:
    made = recipe(photos, kind="training", moved=("age",), variations=4, per_identity=2)
    samples = made.samples()
    assert len(samples) == len(made) == 2 * 2 * 4
    low, high = attribute("age").low, attribute("age").high
    quarters = [int(4 * (s.attributes["age"] - low) / (high - low)) for s in samples[:4]]
    assert quarters == [0, 1, 2, 3]
    assert {(s.moving, s.node, s.step) for s in samples} == {("age", -1, 1)}
    assert made.samples(5, 7) == samples[5:7]


def test_wording_and_range_count(photos: FaceSet) -> None:
    spec = attribute("age")
    assert spec.editing is not None
    other = replace(spec, editing=replace(spec.editing, positive="an elder"))
    facts = [recipe(photos, specs={"age": s}).to_dict() for s in (spec, other)]
    assert facts[0] != facts[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "verification"}, "edited into kind=training or lattice"),
        ({"moved": ()}, "Name each attribute to move once"),
        ({"moved": ("age", "age")}, "Name each attribute to move once"),
        ({"kind": "training"}, "kind=training moves one attribute"),
        ({"variations": 0}, "variations must be at least 1"),
        ({"moved": ("agee",)}, "Unknown attribute 'agee'"),
        ({"moved": ("glasses",)}, "does not measure 'glasses'"),
    ],
)
def test_bad_input(photos: FaceSet, changes: dict[str, object], message: str) -> None:
    with pytest.raises(FaceGeomError, match=message):
        recipe(photos, **changes)
