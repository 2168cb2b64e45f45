from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from facegeom_lit.attributes import MEASURED, vocabulary
from facegeom_lit.commands.cli import main as cli
from facegeom_lit.commands.evaluate import main
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.attribute_regressor import AttributeRegressor

FEW = (
    "lattice.identities=3",
    "lattice.nodes=1",
    "people.identities=6",
    "people.images_per_identity=2",
    "training.identities=2",
    "source.processes=1",
)


@pytest.fixture
def few(tmp_path: Path) -> list[str]:
    """Overrides of a tiny evaluation, with an untrained regressor of every facial attribute."""
    torch.manual_seed(0)
    facial = {n: (s.low, s.high) for n, s in vocabulary().items() if s.kind == "facial"}
    AttributeRegressor(facial, arguments={"width": 0.25}).save(tmp_path / "regressor")
    return [
        *FEW,
        f"regressor={tmp_path / 'regressor'}",
        f"paths.cache={tmp_path / 'cache'}",
        f"output={tmp_path / 'out'}",
    ]


def test_the_renderer_is_its_own_source(
    few: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["synthesis=renderer", "synthesis.maker.processes=1", *few])
    folder = tmp_path / "out"
    record = json.loads((folder / "evaluation.json").read_text())
    assert record["generated"] == record["source"]
    assert list(record["generated"]["attributes"]) == list(MEASURED)
    for name in ("brightness", "hue"):  # exact operators, no regressor
        assert record["generated"]["attributes"][name]["r2"] > 0.9
    assert record["generated"]["identity"]["auc"] > 0.95
    variety = record["generated"]["variety"]
    assert variety["within"] < variety["between"]
    assert len(record["generated"]["leakage"]) == 8
    rows = list(csv.DictReader((folder / "evaluation.csv").open()))
    assert len(rows) == 8 * 5 + 8 + 3 + 2 + 2 + 3 + 64
    assert all(row["generated"] == row["source"] for row in rows)
    for name in ("following", "leakage", "contact_sheet"):
        assert Image.open(folder / f"{name}.png").size[0] > 300
    out = capsys.readouterr().out
    assert "do faces follow what was asked?" in out
    assert out.strip().endswith(f"output: {folder}")


def test_another_maker_is_compared_with_the_source(few: list[str], tmp_path: Path) -> None:
    maker = "synthesis.maker._target_=synthesis.drawn.DrawnMaker"
    main([maker, "measured=[age,brightness]", *few])
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    generated, source = record["generated"], record["source"]
    assert record["maker"]["name"] == "drawn"
    assert generated["distribution"]["kernel"] > 2 * abs(source["distribution"]["kernel"])
    assert record["face_sets"]["lattice"] != record["face_sets"]["source_lattice"]


def test_what_cannot_be_measured_is_named_first(few: list[str], tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="nothing reads 'blur'"):
        main([*few, "measured=[blur]"])
    with pytest.raises(FaceGeomError, match="holds no attribute regressor"):
        main([*few, f"regressor={tmp_path}"])
    with pytest.raises(FaceGeomError, match=r"Unknown key 'people\.nodes'"):
        main([*few, "people.nodes=2"])
    assert not (tmp_path / "cache").exists()


def test_help_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["--help"]) == 0
    assert "evaluate" in capsys.readouterr().out
    assert cli(["evaluate", "--help"]) == 0
    assert "regressor:" in capsys.readouterr().out
