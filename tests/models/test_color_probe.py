from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from facegeom_lit.commands import probe as command
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_folder
from facegeom_lit.models import FaceModel, ModelCard, load_face_model, save_face_model
from facegeom_lit.models.color_probe import compare, probe
from facegeom_lit.models.probe_report import ProbeReport
from facegeom_lit.resources import resource
from facegeom_lit.synthesis.renderer import FaceRenderer

PEOPLE, IMAGES = 16, 2


def render(people: int, images: int) -> list[Tensor]:
    """Crops (3, 112, 112) of people who look to the left and to the right."""
    renderer = FaceRenderer()
    identity = renderer.identity([900_000 + p for p in range(people) for _ in range(images)])
    side = torch.tensor([-8.0, 8.0]).repeat(people)
    seeds = list(range(people * images))
    return list(renderer(identity, {"pose": side}, seeds))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("faces")
    for number, crop in enumerate(render(PEOPLE, IMAGES)):
        person = root / f"person{number // IMAGES:02}"
        person.mkdir(exist_ok=True)
        pixels = crop.permute(1, 2, 0) if crop.shape[0] == 3 else crop
        Image.fromarray(pixels.numpy()).save(person / f"{number % IMAGES}.png")
    return root


@pytest.fixture(scope="module")
def faces(folder: Path) -> FaceSet:
    return read_folder(folder)


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_face_model(resource("data") / "models" / "iresnet_small")


def with_card(model: FaceModel, **changes: object) -> FaceModel:
    return FaceModel(model.backbone, replace(model.card, **changes))


def test_the_right_card_is_not_suspicious(model: FaceModel, faces: FaceSet) -> None:
    report = probe(model, faces)
    assert not report.suspicious
    assert not report.views
    assert not report.grey
    assert (report.images, report.groups) == (PEOPLE * IMAGES, PEOPLE)
    assert report.best is report.candidates[0]
    assert "nothing suspicious" in report.lines()[-1]


def test_swapped_channels_are_found(model: FaceModel, faces: FaceSet) -> None:
    report = probe(with_card(model, color_order="BGR"), faces)
    assert report.suspicious
    assert (report.best.name, report.best.color_order) == ("channels swapped", "RGB")
    assert "suspicious" in report.lines()[-1]
    assert "RGB" in report.lines()[-1]


def test_a_wrong_normalisation_is_found(model: FaceModel, faces: FaceSet) -> None:
    report = probe(with_card(model, mean=(0.0,) * 3, std=(255.0,) * 3), faces)
    assert report.suspicious
    assert report.best.mean == (127.5,) * 3


def test_without_people_the_views_of_a_crop_stand_in(model: FaceModel, faces: FaceSet) -> None:
    alone = faces.select(range(0, PEOPLE * IMAGES, IMAGES))
    assert not probe(model, alone).suspicious
    report = probe(with_card(model, color_order="BGR"), alone)
    assert report.views
    assert report.groups == PEOPLE
    assert report.suspicious
    assert report.best.color_order == "RGB"


def test_grey_crops_say_nothing_of_the_order(
    model: FaceModel, faces: FaceSet, tmp_path: Path
) -> None:
    for row in range(len(faces)):
        person = tmp_path / faces.identities[row]
        person.mkdir(exist_ok=True)
        Image.fromarray(faces.image(row)).convert("L").save(person / f"{row}.png")
    report = probe(with_card(model, color_order="BGR"), read_folder(tmp_path))
    assert report.grey
    assert "channels swapped" not in [c.name for c in report.candidates]
    assert any("colour order cannot be told" in line for line in report.lines())


def test_the_same_seed_gives_the_same_report(model: FaceModel, faces: FaceSet) -> None:
    assert probe(model, faces, seed=3, images=24) == probe(model, faces, seed=3, images=24)


def test_the_model_keeps_its_mode_and_card(model: FaceModel, faces: FaceSet) -> None:
    card = model.card
    model.train()
    probe(model, faces, images=24)
    assert model.training
    assert model.card is card
    model.eval()


def test_too_few_crops_are_refused(model: FaceModel, faces: FaceSet) -> None:
    with pytest.raises(FaceGeomError, match="11 crops are too few"):
        probe(model, faces.select(range(11)))


def test_separation_is_the_textbook_d_prime() -> None:
    torch.manual_seed(0)
    groups = torch.arange(12).repeat_interleave(3)
    points = torch.randn(12, 8)[groups] + 0.3 * torch.randn(36, 8)
    card = ModelCard("x", "vit", 8)
    found = compare([("the card", card)], [points], groups, seed=0)[0].separation
    unit = torch.nn.functional.normalize(points.double(), dim=1)
    rows, columns = torch.triu_indices(36, 36, offset=1)
    scores, same = (unit @ unit.T)[rows, columns], groups[rows] == groups[columns]
    genuine, impostor = scores[same], scores[~same]
    spread = ((genuine.var(correction=0) + impostor.var(correction=0)) / 2).sqrt()
    assert found == pytest.approx(float((genuine.mean() - impostor.mean()) / spread), rel=1e-5)


def test_chance_rarely_raises_an_alarm() -> None:
    """Eight ways that are equally good, on new people each time."""
    card = ModelCard("x", "vit", 16)
    groups = torch.arange(24).repeat_interleave(2)
    generator = torch.Generator().manual_seed(0)
    alarms = 0
    for seed in range(40):
        people = torch.randn(24, 16, generator=generator)[groups]
        ways = [people + torch.randn(48, 16, generator=generator) for _ in range(8)]
        results = compare([("way", card)] * 8, ways, groups, seed=seed)
        alarms += any(c.better for c in results)
    assert alarms <= 6


def test_embeddings_that_are_not_finite(model: FaceModel, faces: FaceSet) -> None:
    broken = with_card(model, mean=(1e38,) * 3, std=(1e-30,) * 3)
    with pytest.raises(FaceGeomError, match="NaN or infinite"):
        probe(broken, faces)


def test_the_command(
    model: FaceModel, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_face_model(with_card(model, color_order="BGR"), tmp_path / "wrong")
    given = [f"model={tmp_path / 'wrong'}", f"faces={folder}", "images=32"]
    command.main(given)
    assert "suspicious: the card is likely wrong" in capsys.readouterr().out
    with pytest.raises(FaceGeomError, match="strict"):
        command.main([*given, "strict=true"])
    with pytest.raises(FaceGeomError, match="faces is not set"):
        command.main(given[:1])
    for wrong, key in (("images=0", "images"), ("seed=x", "seed"), ("strict=3", "strict")):
        with pytest.raises(FaceGeomError, match=f"{key} must be"):
            command.main([*given, wrong])
    with pytest.raises(FaceGeomError, match="model must be one path, got 5"):
        command.main(["model=5", given[1]])


def test_lines_hold_one_row_for_each_candidate(model: FaceModel, faces: FaceSet) -> None:
    report = probe(model, faces, images=24)
    assert isinstance(report, ProbeReport)
    assert len(report.lines()) == len(report.candidates) + 3
