from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from reference import published_shapes as published

from facegeom_lit.commands.cli import main as cli
from facegeom_lit.commands.import_model import main
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import ModelCard, build_backbone, build_face_model, load_face_model

R18 = published.IR_BLOCKS[18]


@pytest.fixture
def adaface(tmp_path: Path) -> Path:
    """An AdaFace checkpoint of a quarter-width IR-18."""
    state = published.random_state(published.ir(R18, 16, 64))
    state = {f"model.{name}": tensor for name, tensor in state.items()}
    path = tmp_path / "adaface.ckpt"
    torch.save({"epoch": 1, "state_dict": {**state, "head.kernel": torch.ones(64, 9)}}, path)
    return path


def test_import_writes_the_folder_and_says_what_it_is(
    adaface: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(["import", f"model={adaface}", f"output={tmp_path / 'out'}"]) == 0
    out = capsys.readouterr().out
    for line in (
        "architecture: iresnet18",
        "color_order: BGR",
        "layout: AdaFace IR-18",
        "left aside: head.kernel (64, 9)",
        f"output: {tmp_path / 'out'}",
    ):
        assert line in out.splitlines()
    model = load_face_model(tmp_path / "out")
    assert f"parameters: {sum(p.numel() for p in model.parameters()):,}" in out
    assert model.card.training["left_aside"] == ["head.kernel (64, 9)"]
    assert model.card.hash == load_face_model(adaface).card.hash


def test_the_card_can_be_corrected(adaface: Path, tmp_path: Path) -> None:
    root = tmp_path / "models"
    settings = ["name=mine", "card.color_order=RGB", "card.std=[128,128,128]", "card.licence=MIT"]
    main([f"model={adaface}", f"root={root}", *settings])
    card = load_face_model(root / "mine").card
    assert (card.name, card.color_order, card.std) == ("mine", "RGB", (128.0,) * 3)
    assert card.licence == "MIT"
    assert card.mean == (127.5,) * 3


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("card.color_order=GBR", r"card: .*`color_order` must be one of"),
        ("card.std=[1,2]", r"`std` must hold 3 numbers"),
        ("card.std=[1,0,1]", r"must be positive"),
        ("card.size=[112,96]", "size"),
        ("card.colour_order=RGB", r"Unknown key 'card\.colour_order'\. Did you mean"),
        ("arguments='{dimension: 3}'", "arguments needs architecture"),
        ("architecture=iresnet19", "did you mean"),
        ("architecture=5", "architecture=5 is no such thing"),
        ("arguments=5", "arguments needs architecture"),
        ("card=3", r"card is no value, got 3.*card\.color_order"),
        ("name=[a]", "name must be some text"),
        ("seed=x", "seed must be a whole number"),
        ("model=5", "model must be one path, got 5"),
    ],
)
def test_wrong_settings_write_nothing(
    setting: str, message: str, adaface: Path, tmp_path: Path
) -> None:
    with pytest.raises(FaceGeomError, match=message):
        main([f"model={adaface}", f"output={tmp_path / 'out'}", setting])
    assert not (tmp_path / "out").exists()


def test_without_a_model_or_with_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="model=FILE"):
        main([f"output={tmp_path / 'out'}"])
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(FaceGeomError, match=r"text\.pth is truncated or is no weights file"):
        main([f"model={tmp_path / 'text.pth'}", f"output={tmp_path / 'out'}"])
    assert not (tmp_path / "out").exists()


def test_another_model_is_not_written_over(adaface: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main([f"model={adaface}", f"output={out}"])
    main([f"model={adaface}", f"output={out}", "name=again"])  # the same weights
    assert load_face_model(out).card.name == "again"
    torch.save(build_backbone("mobilefacenet", scale=2).state_dict(), tmp_path / "mbf.pth")
    with pytest.raises(FaceGeomError, match="holds another model"):
        main([f"model={tmp_path / 'mbf.pth'}", f"output={out}"])
    assert load_face_model(out).card.name == "again"
    (out / "card.json").unlink()  # weights of another program
    with pytest.raises(FaceGeomError, match="holds another model"):
        main([f"model={adaface}", f"output={out}"])


def test_a_layout_of_its_own_is_described_by_its_architecture(tmp_path: Path) -> None:
    backbone = build_backbone("vit", dimension=16, depth=1)
    torch.save({"model": backbone.state_dict()}, tmp_path / "vit.pt")
    settings = ["architecture=vit", "arguments={dimension: 16, depth: 1}"]
    main([f"model={tmp_path / 'vit.pt'}", f"output={tmp_path / 'out'}", *settings])
    card = ModelCard.from_json(json.loads((tmp_path / "out" / "card.json").read_text()))
    assert (card.name, card.architecture, card.dimension) == ("vit", "vit", 16)


def test_an_imported_model_is_a_backbone_to_train(adaface: Path, tmp_path: Path) -> None:
    main([f"model={adaface}", f"output={tmp_path / 'out'}"])
    model = build_face_model("from_file", weights=tmp_path / "out")
    assert model.card.architecture == "iresnet18"
    model.train()(torch.zeros(2, 3, 112, 112, dtype=torch.uint8)).sum().backward()


def test_real_checkpoint(real_data: Path, tmp_path: Path) -> None:
    main(
        [
            f"model={real_data / 'weights' / 'mobilefacenet_prelu_casia' / '068.ckpt'}",
            f"root={tmp_path}",
        ]
    )
    card = load_face_model(tmp_path / "mobilefacenet_prelu_casia").card
    assert card.size == (112, 96)
