from __future__ import annotations

from pathlib import Path

import pytest
from commands.launch import train

from facegeom_lit.commands.regressor import attribute_names, held_out_r2, hold_out
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.models.attribute_regressor import AttributeRegressor
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.recipe import Recipe

TINY = (
    "experiment=regressor",
    "synthesis.coverage.identities=8",
    "synthesis.coverage.images_per_identity=3",
    "synthesis.maker.processes=1",
    "regressor.arguments.width=0.25",
    "regressor.batch_size=6",
    "regressor.epochs=1",
    "regressor.held_out_every=4",
    "logger.wandb.mode=disabled",
)


def faces(people: int = 6) -> FaceSet:
    rows = [
        {
            "identity": f"r{n:03d}",
            "path": f"{n}.png",
            "age": 20.0 + n,
            "pose": 1.0,
            "beard": 0.1 * n if n else None,
            "hue": float(n),
        }
        for n in range(people)
    ]
    return FaceSet.from_rows(rows, ["age", "pose", "beard", "hue"])


def test_every_nth_person_judges() -> None:
    train_set, judge = hold_out(faces(7), 3)
    assert judge.classes == ["r002", "r005"]
    assert train_set.classes == ["r000", "r001", "r003", "r004", "r006"]
    for every in (1, 8, 2.5):
        with pytest.raises(FaceGeomError, match="held_out_every must be a whole number from 2 to"):
            hold_out(faces(7), every)


def test_attributes_are_the_facial_ones_that_vary() -> None:
    assert attribute_names(faces(), None) == ["age", "beard"]
    assert attribute_names(faces(), ["hue", "age"]) == ["hue", "age"]
    with pytest.raises(FaceGeomError, match=r"names 'glasses', of which .* has no values"):
        attribute_names(faces(), ["glasses"])
    with pytest.raises(FaceGeomError, match="no facial attribute whose value varies"):
        attribute_names(faces(1), None)


def test_held_out_scores_are_of_what_varies(tmp_path: Path) -> None:
    from synthesis.drawn import DrawnMaker, Reads

    recipe = Recipe("coverage", 3, images_per_identity=4, split="coverage")
    made = prepare_face_set(recipe, DrawnMaker(), tmp_path, progress=False)
    scores = held_out_r2(Reads(), made)
    assert list(scores) == ["age", "pose"]
    assert min(scores.values()) > 0.99


@pytest.mark.slow
def test_trained_exported_and_found_complete(tmp_path: Path) -> None:
    export = tmp_path / "export"
    for _ in range(2):  # the second time the last checkpoint is found
        finished = train(*TINY, f"export={export}", output=tmp_path)
        assert finished.returncode == 0, finished.stderr[-3000:]
        assert "hair_color" in finished.stdout
        regressor = AttributeRegressor.load(export)
        folder = Path(finished.stdout.strip().splitlines()[-1].removeprefix("output: "))
        assert AttributeRegressor.load(folder / "model").hash == regressor.hash
        assert regressor.training_facts["faces"]["held_out"] == 6
        assert set(regressor.training_facts["held_out_r2"]) == set(regressor.attributes)
        assert (folder / "checkpoints" / "regressor" / "last.ckpt").is_file()
