from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthesis.fake_maker import FakeMaker

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.files import read_json
from facegeom_lit.synthesis.recipe import Recipe, Sample
from facegeom_lit.synthesis.writer import generate

RECIPE = Recipe("training", 6, images_per_identity=7, attribute="age", split="training")


class Interrupted(FakeMaker):
    """Ctrl-C after so many images."""

    def __init__(self, after: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        super().__init__()
        self.after = after
        self.error = error

    def render(self, samples: list[Sample]) -> list[np.ndarray]:  # type: ignore[override]
        if self.made >= self.after:
            raise self.error
        return super().render(samples)


@pytest.fixture
def whole(tmp_path: Path) -> FaceSet:
    return generate(RECIPE, tmp_path / "whole", FakeMaker(), False, shard_rows=10)


def test_writes_what_the_recipe_says(whole: FaceSet, tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    samples = RECIPE.samples()
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.json",
        "contact_sheet.png",
        *(f"shard-0000{i}.parquet" for i in range(5)),
    ]
    assert whole.identities == [sample.identity for sample in samples]
    assert whole.table["seed"].to_pylist() == [sample.seed for sample in samples]
    assert set(whole.table["split"].to_pylist()) == {"training"}
    assert set(whole.table["source"].to_pylist()) == {"fake"}
    ages = [sample.attributes["age"] for sample in samples]
    np.testing.assert_allclose(whole.attribute("age"), ages, rtol=1e-6)
    np.testing.assert_array_equal(whole.image(33), FakeMaker().render(samples[33:34])[0])
    card = read_json(folder / "card.json")
    assert card["complete"]
    assert card["production"]["identities"] == 6
    assert card["hash"] == FaceSet.open(folder, verify=True).hash
    assert card["attributes"]["age"] == [pytest.approx(min(ages)), pytest.approx(max(ages))]
    assert "torch" in card["versions"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_continues_after_an_interruption(
    whole: FaceSet, tmp_path: Path, error: type[BaseException]
) -> None:
    folder = tmp_path / "part"
    with pytest.raises(error):
        generate(RECIPE, folder, Interrupted(20, error), False, shard_rows=10)
    assert len(list(folder.glob("shard-*"))) == 2
    with pytest.raises(FaceGeomError, match=r"is not complete\. Run the command"):
        FaceSet.open(folder)
    rest = FakeMaker()
    faces = generate(RECIPE, folder, rest, False, shard_rows=999)  # the first choice counts
    assert rest.made == 22
    assert faces.hash == whole.hash
    again = FakeMaker()
    assert generate(RECIPE, folder, again, False).hash == whole.hash
    assert again.made == 0


def test_interruption_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"1 of 5 shards of .* Run the same command again"):
        generate(RECIPE, tmp_path / "part", Interrupted(10), False, shard_rows=10)


def test_a_deleted_shard_is_made_anew(whole: FaceSet, tmp_path: Path) -> None:
    (tmp_path / "whole" / "shard-00002.parquet").unlink()
    maker = FakeMaker()
    assert generate(RECIPE, tmp_path / "whole", maker, False).hash == whole.hash
    assert maker.made == 10


def test_a_full_disk_damages_nothing(
    whole: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    calls, write = [], pq.write_table

    def full(table: object, path: Path, **options: object) -> None:
        calls.append(path)
        if len(calls) == 3:
            path.write_bytes(b"half a shard")
            raise OSError(28, "No space left on device")
        write(table, path, **options)

    monkeypatch.setattr("facegeom_lit.faces.schema.pq.write_table", full)
    folder = tmp_path / "part"
    with pytest.raises(FaceGeomError, match=r"shard-00002\.parquet: No space left on device"):
        generate(RECIPE, folder, FakeMaker(), False, shard_rows=10)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["card.json", "shard-00000.parquet", "shard-00001.parquet"]
    assert generate(RECIPE, folder, FakeMaker(), False).hash == whole.hash


def test_another_recipe_is_refused(whole: FaceSet, tmp_path: Path) -> None:
    other = Recipe("training", 6, images_per_identity=7, attribute="hue", split="training")
    with pytest.raises(FaceGeomError, match=r"another recipe .attribute 'age' there, 'hue' here"):
        generate(other, tmp_path / "whole", FakeMaker(), False)
    newer = FakeMaker()
    newer.version = "2"
    with pytest.raises(FaceGeomError, match="maker_version '1' there, '2' here"):
        generate(RECIPE, tmp_path / "whole", newer, False)
    (tmp_path / "whole" / "card.json").unlink()
    with pytest.raises(FaceGeomError, match=r"shards of a face set without its card\.json"):
        generate(RECIPE, tmp_path / "whole", FakeMaker(), False)


def test_lattice_nodes_are_never_cut(tmp_path: Path) -> None:
    recipe = Recipe("lattice", 2, nodes=3, measured=("age", "hue"))
    faces = generate(recipe, tmp_path, FakeMaker(), False, shard_rows=12)
    assert read_json(tmp_path / "card.json")["shard_rows"] == 10
    assert Lattice.from_face_set(faces).curves["age"].shape == (6, 3)
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        assert sheet.size[1] == 2 * (16 + 16)
