from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from synthesis.fake_maker import FakeMaker

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.files import read_json
from facegeom_lit.synthesis.gates.gate import Candidate
from facegeom_lit.synthesis.gating import MIDDLE, OTHER_END, Gating
from facegeom_lit.synthesis.recipe import Recipe, Sample
from facegeom_lit.synthesis.writer import generate, production_hash

LATTICE = Recipe("lattice", 2, nodes=3, measured=("age", "hue"), split="lattice")


class FakeGate:
    """Refuses the samples that it was told of, by (identity, node, moving, step)."""

    version = "1"

    def __init__(self, refused: Sequence[tuple[str, int, str, int]]) -> None:
        self.summary = {"kind": "fake"}
        self.refused = set(refused)
        self.seen: list[Candidate] = []

    def judge(self, candidates: Sequence[Candidate]) -> list[str]:
        self.seen += candidates
        keys = [
            (c.sample.identity, c.sample.node, c.sample.moving, c.sample.step) for c in candidates
        ]
        return ["no good" if key in self.refused else "" for key in keys]


def gated(folder: Path, gate: FakeGate, **options: Any) -> FaceSet:
    gating = Gating({"fake": gate}, **options)
    return generate(LATTICE, folder, FakeMaker(), False, shard_rows=10, gating=gating)


def test_ends_are_held_against_the_middle_of_their_node(tmp_path: Path) -> None:
    gate = FakeGate([])
    gated(tmp_path, gate)
    for candidate in gate.seen:
        if not candidate.sample.moving:
            assert candidate.reference is None  # drawn from nothing
            middle = candidate.image
        else:
            assert candidate.reference is middle
            step = LATTICE.specs[candidate.sample.moving].step
            assert candidate.asked == pytest.approx((candidate.sample.step - 1) * step)


def test_what_is_kept_is_a_lattice(tmp_path: Path) -> None:
    first, second = (s.identity for s in (LATTICE.samples()[0], LATTICE.samples()[-1]))
    gate = FakeGate([(first, 0, "age", 2), (second, 1, "", 1)])
    faces = gated(tmp_path / "set", gate)
    lattice = Lattice.from_face_set(faces)
    assert len(lattice.curves["age"]) == 6 - 2
    assert len(lattice.curves["hue"]) == 6 - 1
    assert lattice.identity["age"].count(first) == 2
    card = read_json(tmp_path / "set" / "card.json")
    assert card["rows"] == len(faces) == 30 - 2 - 5
    assert card["gates"]["kept"] == {"middle": 5, "age": 8, "hue": 10}
    assert card["gates"]["refused"] == {
        "age": {"no good": 1, OTHER_END: 1, MIDDLE: 2},
        "middle": {"no good": 1},
        "hue": {MIDDLE: 2},
    }
    assert card["gates"]["settings"] == {"fake": {"version": "1", "kind": "fake"}}
    assert FaceSet.open(tmp_path / "set", verify=True).hash == faces.hash


def test_refused_images_are_kept_on_request_alone(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    name = LATTICE.samples()[0].identity
    for keep in (False, True):
        folder = tmp_path / str(keep)
        gated(folder, FakeGate([(name, 0, "hue", 0)]), keep_refused=keep)
        shard = pq.read_table(folder / "refused" / "shard-00000.parquet")
        assert shard["split"].to_pylist() == ["no good", OTHER_END]
        assert [image is not None for image in shard["image"].to_pylist()] == [keep, keep]


def test_gates_belong_to_the_recipe(tmp_path: Path) -> None:
    plain = production_hash(LATTICE, FakeMaker())
    gate = FakeGate([])
    assert production_hash(LATTICE, FakeMaker(), Gating({})) == plain
    assert production_hash(LATTICE, FakeMaker(), Gating({"fake": gate})) != plain
    gated(tmp_path, gate)
    with pytest.raises(FaceGeomError, match="another recipe"):
        generate(LATTICE, tmp_path, FakeMaker(), False)


def test_nothing_kept_is_an_error_that_says_why(tmp_path: Path) -> None:
    middles = [(s.identity, s.node, "", 1) for s in LATTICE.samples() if not s.moving]
    with pytest.raises(FaceGeomError, match=r"refused everything that moved: .*no good"):
        gated(tmp_path, FakeGate(middles))


def test_edits_off_a_curve_are_held_against_their_photo() -> None:
    class Photos(FakeMaker):
        def original(self, sample: Sample) -> Any:
            return "photo", {"age": 45.0}

    gate = FakeGate([])
    edit = Sample("ada", 0, {"age": 30.0}, 0, -1, "age", 1)
    assert Gating({"fake": gate}).verdicts([edit], ["image"], Photos()) == [""]  # type: ignore[list-item]
    assert gate.seen[0].reference == "photo"  # type: ignore[comparison-overlap]
    assert gate.seen[0].asked == -15
