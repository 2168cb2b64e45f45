from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from evaluation.alignment.made_models import made_models
from faces.pictures import picture
from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from facegeom_lit.commands import align
from facegeom_lit.commands.align import main
from facegeom_lit.commands.align_settings import settings_of
from facegeom_lit.commands.cli import main as cli
from facegeom_lit.commands.sources import compose_with_sources
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel, ModelCard, load_face_model, save_face_model
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.reporting import alignment_report
from facegeom_lit.synthesis import processes

FEW = (
    "bootstrap.resamples=30",
    "null_permutations=1",
    "similarity.permutations=2",
    "similarity.neighbors=3",
    "ladders.subsets=1",
    "maps=[none,ridge]",
    "leakage.attributes=none",
    "survival.attributes=none",
    "fusion.groups=none",
    "device=cpu",
)


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures have tests of their own."""
    monkeypatch.setattr(alignment_report, "drawings", lambda alignment, level: [])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two files of embeddings, of other people."""
    for seed, name in enumerate(("first", "second")):
        owner, models = made_models(people=16, images=3, seed=seed)
        np.savez(tmp_path / f"{name}.npz", identity=owner + 100 * seed, **models)
    return tmp_path


@pytest.fixture
def faces(place: Path) -> Path:
    """Two small models and faces of four people, beside the files."""
    for seed, name in enumerate(("small", "narrow")):
        torch.manual_seed(seed)
        dimension = 32 - 16 * seed
        arguments = {"width": 0.25, "dimension": dimension}
        card = ModelCard(name, "mobilefacenet", dimension, arguments)
        model = FaceModel(build_backbone("mobilefacenet", **arguments), card)
        save_face_model(model, place / name)
    for person in range(4):
        (place / "faces" / f"p{person}").mkdir(parents=True)
        for number in range(2):
            pixels = picture(10 * person + number, 112)
            Image.fromarray(pixels).save(place / "faces" / f"p{person}" / f"{number}.png")
    return place


def few(place: Path) -> list[str]:
    return [*FEW, f"paths.output={place / 'outputs'}", f"output={place / 'out'}"]


def of_files(place: Path) -> str:
    first = f"{{path: {place / 'first.npz'}, models: [one, turned, wide]}}"
    second = f"{{path: {place / 'second.npz'}, models: [one, wide], center: [wide]}}"
    return f"embeddings={{first: {first}, second: {second}}}"


def read(folder: Path) -> Any:
    """The record; strict about NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads((folder / "alignment.json").read_text(), parse_constant=refuse)


def test_files_are_aligned_and_a_second_run_finds_what_the_first_measured(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main([of_files(place), *few(place)])
    assert capsys.readouterr().out.strip().endswith(f"output: {place / 'out'}")
    record = read(place / "out")
    assert record["models"] == ["one", "turned", "wide"]
    cells = record["tables"]["cells"]
    judged = {(c["fitted_on"], c["judged_on"], c["map"]) for c in cells}
    assert judged == {
        *((name, name, m) for name in ("first", "second") for m in ("native", "none", "ridge")),
        ("first", "second", "ridge"),
        ("second", "first", "ridge"),
    }
    crossed = [c for c in cells if c["fitted_on"] != c["judged_on"]]
    assert {(c["source"], c["target"]) for c in crossed} == {("one", "wide"), ("wide", "one")}
    assert all(c["recovered"] > 0.9 for c in cells if c["map"] == "ridge")
    assert {"ladders", "indices", "families", "transfer"} < set(record["tables"])
    assert "second: that mean is of the people who fit maps: wide" in record["notes"]
    assert set(record["sets"]) == {"first", "second"}
    assert record["config"]["seed"] == 0
    assert record["versions"]["facegeom_lit"]

    def again(*_: Any) -> None:
        raise AssertionError("it was measured before")

    monkeypatch.setattr(align, "measure_pair", again)
    monkeypatch.setattr(align, "measure_set", again)
    main([of_files(place), *few(place), f"output={place / 'again'}", "families.cut=0.3"])
    assert read(place / "again")["tables"]["cells"] == cells


def test_a_pair_that_fails_keeps_the_others_and_is_all_that_is_left_to_do(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = []
    real = align.measure_pair

    def failing(pair: Any, settings: Any) -> Any:
        measured.append((pair.first, pair.second))
        if measured[-1] == ("one", "turned") and len(measured) < 4:
            raise FaceGeomError("no room")
        return real(pair, settings)

    monkeypatch.setattr(align, "measure_pair", failing)
    fast = ["ladders.pairs=none", "similarity.permutations=0", *few(place)]
    with pytest.raises(
        FaceGeomError, match=r"Not everything could .*\n  one and turned on first: no"
    ):
        main([of_files(place), *fast])
    record = read(place / "out")
    assert [f["models"] for f in record["failed"]] == ["one and turned"]
    assert len({c["source"] for c in record["tables"]["cells"]}) == 3
    assert any(n.startswith("first: no families by ridge") for n in record["notes"])
    main([of_files(place), *fast])
    assert sorted(measured) == [
        ("one", "turned"),
        ("one", "turned"),
        ("one", "wide"),
        ("turned", "wide"),
    ]
    assert read(place / "out")["failed"] == []


def test_models_embed_images_and_a_broken_one_loses_only_its_own(faces: Path) -> None:
    broken = load_face_model(faces / "narrow")
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    save_face_model(broken, faces / "broken")
    models = ",".join(str(faces / name) for name in ("small", "broken", "narrow"))
    given = [f"data={{set: {faces / 'faces'}}}", *few(faces), "ladders.pairs=none"]
    with pytest.raises(FaceGeomError, match=r"Not everything could .*\n  broken on set: "):
        main([f"model=[{models}]", *given])
    record = read(faces / "out")
    assert record["models"] == ["small", "narrow"]
    assert set(record["weights"]) == {"small", "narrow"}
    assert {c["fitted"] for c in record["tables"]["cells"]} == {0, 4}
    with pytest.raises(FaceGeomError, match="Nothing could be measured"):
        main([f"model=[{faces / 'broken'},{faces / 'small'}]", *given])


def test_bad_settings_are_named() -> None:
    cfg = compose_with_sources("align", [])
    for key, value, message in (
        ("maps", ["affine"], "maps holds 'affine'"),
        ("maps", "ridge", "maps must be a list"),
        ("fit_share", 1, "fit_share must be a number"),
        ("fit_share", 0, "fit_share must be a number"),
        ("bias", 3, "bias must be true or false"),
        ("ridge", -1, "ridge of ridge must be a number"),
        ("judging.fars", [2], r"judging\.fars must be a list of numbers between 0 and 1"),
        ("judging.ranks", [], r"judging\.ranks must be a list of whole numbers"),
        ("judging.kept_out", 1, r"judging\.kept_out must be a number"),
        ("null_permutations", -1, "null_permutations must be a whole number"),
        ("similarity.neighbors", 0, r"similarity\.neighbors must be a whole number"),
        ("ladders.pairs", "some", r"ladders\.pairs must be all, none, or a list of"),
        ("ladders.pairs", [["one", "one"]], r"ladders\.pairs must be all, none, or a list of"),
        ("ladders.maps", ["low_rank"], r"ladders\.maps names 'low_rank'.*It holds: procrustes"),
        ("ladders.maps", "linear", r"ladders\.maps must be a list"),
        ("ladders.ranks", [0], r"ladders\.ranks must be a list of whole numbers"),
        ("ladders.anchors", 5, r"ladders\.anchors must be a list of whole numbers"),
        ("families.cut", -1, r"families\.cut must be a number"),
        ("bootstrap.level", 1, r"bootstrap\.level must be a number"),
        ("wandb", "yes", "wandb must be none, offline or online"),
    ):
        changed = cfg.copy()
        OmegaConf.update(changed, key, value, merge=False)
        with pytest.raises(FaceGeomError, match=message):
            settings_of(changed)
    settings = settings_of(cfg)
    assert [choice.name for choice in settings.maps] == ["procrustes", "linear", "ridge"]
    assert settings.ladders.maps == ("ridge",)
    cfg.maps, cfg.judging.ranks = ["procrustes"], [5]
    assert settings_of(cfg).ladders.maps == ("procrustes",)
    assert settings_of(cfg).judge.ks == (1, 5)  # `recovered` and the curves are of rank 1


def test_what_is_wrong_is_named_before_the_work(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = compose_with_sources("align", few(faces))

    def composed(_: str, given: Sequence[str]) -> DictConfig:
        changed = cfg.copy()  # to compose it anew for each case takes long
        for key, value in (pair.split("=", 1) for pair in given):
            OmegaConf.update(changed, key, yaml.safe_load(value), merge=False)
        return changed

    monkeypatch.setattr(align, "measure_set", lambda *_: pytest.fail("the work has begun"))
    monkeypatch.setattr(align, "compose_with_sources", composed)
    both = of_files(faces)
    small, narrow = faces / "small", faces / "narrow"
    images = f"data={{set: {faces / 'faces'}}}"
    np.savez(faces / "few.npz", identity=[0, 0, 1, 1, 2, 2], a=np.eye(6, 3), b=np.eye(6))
    np.savez(faces / "single.npz", identity=np.arange(8), a=np.eye(8, 3), b=np.eye(8))
    alone = f"{{path: {faces / 'first.npz'}, models: [one]}}"
    for given, message in (
        ([both, "ladders.pairs=[[one, two]]"], r"ladders\.pairs names 'two', which is no model"),
        ([both, "device=abacus"], "device=abacus cannot be used"),
        ([f"embeddings={{s: {alone}}}"], r"one model alone \(one\)"),
        ([f"embeddings={{s: {alone}, t: {faces / 'second.npz'}}}"], "one is the only model of s"),
        ([f"embeddings={faces / 'few.npz'}"], "few has 3 people, too few"),
        ([f"embeddings={faces / 'single.npz'}"], "the 4 people who judge have 4 images"),
        ([f"embeddings=[{faces / 'few.npz'}, {faces / 'few.npz'}]"], "would be called 'few'"),
        ([f"model={small}", images], "one model alone"),
        ([f"model=[{small}, {faces / 'deep' / 'small'}]", images], "would be called 'small'"),
        ([f"model=[{small}, {narrow}]", both], "no data with images"),
        ([images], "no model is given"),
        ([f"model=[{small}, {faces / 'none'}]", images], "none does not exist"),
        ([both, f"output={faces}"], "holds no alignment"),
        ([both, f"output={faces / 'first.npz' / 'below'}"], "Cannot write"),
    ):
        with pytest.raises(FaceGeomError, match=message):
            main(given)
    assert not (faces / "outputs").exists()


def test_only_one_process_of_a_launcher_measures(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    main([of_files(place), *few(place)])
    assert not (place / "outputs").exists()


def test_nothing_given_aligns_the_embedded_models_on_rendered_faces(
    faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(align, "EMBEDDED", ("small", "narrow"))
    monkeypatch.setattr(processes, "_cores", lambda: 1)  # so few faces need no second process
    given = ["rendered.identities=4", "rendered.images_per_identity=2", "ladders.pairs=none"]
    main([*few(faces), *given, f"paths.models={faces}"])
    record = read(faces / "out")
    assert record["models"] == ["small", "narrow"]
    assert list(record["sets"]) == ["rendered"]


def test_help_shows_the_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["align", "--help"]) == 0
    assert "fit_share:" in capsys.readouterr().out
