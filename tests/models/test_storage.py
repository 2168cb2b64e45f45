from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import (
    FaceModel,
    ModelCard,
    build_backbone,
    build_face_model,
    load_face_model,
    save_face_model,
    weights_hash,
)

ARGUMENTS = {"width": 0.25, "dimension": 32}
CARD = ModelCard("small", "mobilefacenet", 32, ARGUMENTS, training={"seed": 0})
CONF = Path(__file__).parents[2] / "conf" / "backbone"


@pytest.fixture
def model() -> FaceModel:
    torch.manual_seed(0)
    return FaceModel(build_backbone("mobilefacenet", **ARGUMENTS), CARD)


@pytest.fixture
def folder(model: FaceModel, tmp_path: Path) -> Path:
    save_face_model(model, tmp_path / "model")
    return tmp_path / "model"


def edit_card(folder: Path, **change: object) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def test_round_trip(model: FaceModel, folder: Path) -> None:
    images = torch.full((2, 3, 112, 112), 99, dtype=torch.uint8)
    loaded = load_face_model(folder)
    assert not loaded.training
    assert torch.equal(loaded(images), model.eval()(images))
    assert loaded.card == replace(CARD, hash=weights_hash(model))
    assert load_face_model(folder / "model.safetensors").card == loaded.card
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "model.safetensors"]


def test_saving_is_deterministic(model: FaceModel, folder: Path, tmp_path: Path) -> None:
    save_face_model(load_face_model(folder), tmp_path / "again")
    for name in ("model.safetensors", "card.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_hash_follows_what_the_network_computes(model: FaceModel) -> None:
    before = weights_hash(model)
    assert before == weights_hash(model.backbone)
    model.train()(torch.zeros(2, 3, 112, 112))  # moves running statistics
    moved = weights_hash(model)
    assert moved != before
    with torch.no_grad():
        model.backbone.conv_sep.layers[0].weight[0, 0, 0, 0] += 1e-6
    assert weights_hash(model) != moved


def test_memory_format_does_not_matter(model: FaceModel, tmp_path: Path) -> None:
    before = weights_hash(model)
    model.to(memory_format=torch.channels_last)
    assert weights_hash(model) == before
    save_face_model(model, tmp_path)
    assert load_face_model(tmp_path).card.hash == before


def test_half_precision_is_saved_as_float32(model: FaceModel, tmp_path: Path) -> None:
    save_face_model(model.bfloat16(), tmp_path)
    assert next(load_face_model(tmp_path).parameters()).dtype == torch.float32


def test_failed_save_leaves_the_old_model(
    model: FaceModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_face_model(folder).card

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("facegeom_lit.models.storage.os.fsync", full)
    model.train()(torch.zeros(2, 3, 112, 112))
    with pytest.raises(FaceGeomError, match=r"model\.safetensors: No space left"):
        save_face_model(model, folder)
    assert load_face_model(folder).card == before
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["card.json", "model.safetensors"])
def test_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FaceGeomError, match=f"{name} is missing"):
        load_face_model(folder)


def test_card_that_contradicts_the_weights(folder: Path) -> None:
    edit_card(folder, hash="0" * 64)
    with pytest.raises(FaceGeomError, match=r"card\.json contradicts .*hash is 000000000000"):
        load_face_model(folder)
    edit_card(folder, dimension=64)
    with pytest.raises(FaceGeomError, match=r"card\.json: .*`dimension` is 64 on the card"):
        load_face_model(folder)
    edit_card(folder, dimension=64, arguments={"width": 0.25, "dimension": 64})
    with pytest.raises(FaceGeomError, match=r"features\.layers\.2\.weight expected \(64, 128\)"):
        load_face_model(folder)
    edit_card(folder, architecture="vit", dimension=32, arguments={"dimension": 32})
    with pytest.raises(FaceGeomError, match=r"does not fit vit .*missing.*left over"):
        load_face_model(folder)
    edit_card(folder, architecture="resnet")
    with pytest.raises(FaceGeomError, match=r"card\.json: Unknown backbone architecture 'resnet'"):
        load_face_model(folder)
    (folder / "card.json").write_text("{")
    with pytest.raises(FaceGeomError, match=r"card\.json is not a JSON file"):
        load_face_model(folder)


def test_truncated_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FaceGeomError, match=r"model\.safetensors is truncated"):
        load_face_model(folder)


def test_weights_of_another_architecture(folder: Path) -> None:
    assert load_face_model(folder, architecture="mobilefacenet", arguments=ARGUMENTS)
    with pytest.raises(FaceGeomError, match=r"not the architecture 'iresnet50'"):
        load_face_model(folder, architecture="iresnet50")
    with pytest.raises(FaceGeomError, match=r"'width': 0\.25.*asked for.*'width': 0\.5"):
        load_face_model(
            folder, architecture="mobilefacenet", arguments={"width": 0.5, "dimension": 32}
        )


def test_path_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="does not exist"):
        load_face_model(tmp_path / "nothing")


def test_weights_that_are_not_finite(model: FaceModel, tmp_path: Path) -> None:
    with torch.no_grad():
        model.backbone.conv_sep.layers[0].weight[0] = float("nan")
    save_face_model(model, tmp_path)
    with pytest.raises(FaceGeomError, match=r"not finite in conv_sep\.layers\.0\.weight"):
        load_face_model(tmp_path)


def test_unknown_layout_needs_a_card(tmp_path: Path) -> None:
    backbone = build_backbone("vit", depth=1, dimension=16)
    path = tmp_path / "vit.pth"
    torch.save(backbone.state_dict(), path)
    with pytest.raises(FaceGeomError, match=r"vit\.pth has no card\.json.*Give its `card`"):
        load_face_model(path)
    card = ModelCard("mine", "vit", 16, {"depth": 1, "dimension": 16})
    assert load_face_model(path, card=card).card.hash == weights_hash(backbone)


def test_build_face_model_loads_or_starts_afresh(folder: Path) -> None:
    fresh = build_face_model("new", "mobilefacenet", ARGUMENTS, card={"licence": "mine"})
    assert fresh.card == replace(CARD, name="new", licence="mine", training={})
    assert build_face_model("old", weights=folder).card.name == "small"
    with pytest.raises(FaceGeomError, match="not the architecture"):
        build_face_model("old", "vit", weights=folder)
    with pytest.raises(FaceGeomError, match="model=FILE"):
        build_face_model("none")
    with pytest.raises(FaceGeomError, match=r"Backbone 'new'.*unknown fields \['license'\]"):
        build_face_model("new", "mobilefacenet", ARGUMENTS, card={"license": "mine"})


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_configuration_makes_a_model(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    assert config["name"] == path.stem
    if config["architecture"] is None:
        pytest.skip("takes what the weights say")
    with torch.device("meta"):
        model = build_face_model(**{**config, "weights": None})
    assert model.card.dimension == config["arguments"]["dimension"]


def test_folder_of_a_run_stands_for_its_model(tmp_path: Path) -> None:
    saved = save_face_model(
        build_face_model("tiny", "mobilefacenet", {"width": 0.25}), tmp_path / "model"
    )
    assert load_face_model(tmp_path).card == saved
