from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from faces.pictures import picture
from lightning.fabric.utilities.rank_zero import rank_zero_only
from PIL import Image

from facegeom_lit.commands.cli import main as cli
from facegeom_lit.commands.evaluate import main
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation import embedding
from facegeom_lit.evaluation.embedding import fused_embeddings
from facegeom_lit.faces.folder import read_folder
from facegeom_lit.geometry.verification import verify
from facegeom_lit.models import FaceModel, ModelCard, load_face_model, save_face_model
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.models.embed import embed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two small models, a folder of eight people, a list of pairs, and a file of embeddings."""
    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)
        arguments = {"width": 0.25, "dimension": 32}
        card = ModelCard(name, "mobilefacenet", 32, arguments)
        save_face_model(
            FaceModel(build_backbone("mobilefacenet", **arguments), card), tmp_path / name
        )
    for person in range(8):
        folder = tmp_path / "faces" / f"p{person}"
        folder.mkdir(parents=True)
        for image in range(3):
            base = picture(person + 1, 112).astype(int)
            noise = picture(100 + 3 * person + image, 112).astype(int)
            mixed = ((2 * base + noise) // 3).astype(np.uint8)
            Image.fromarray(mixed).save(folder / f"{image}.png")
    rows = ["path_a,path_b,same"]
    for person in range(8):
        rows.append(f"p{person}/0.png,p{person}/1.png,1")
        rows.append(f"p{person}/0.png,p{(person + 1) % 8}/1.png,0")
    (tmp_path / "listed.csv").write_text("\n".join(rows) + "\n")
    g = np.random.default_rng(0)
    people = np.arange(40) // 4
    centres = g.normal(size=(10, 8))[people]
    np.savez(tmp_path / "given.npz", identity=people, m=centres + 0.5 * g.normal(size=(40, 8)))
    return tmp_path


def few(place: Path) -> list[str]:
    return [f"paths.output={place / 'outputs'}", "bootstrap.resamples=50", "device=cpu"]


def test_models_on_sets_give_one_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            f"model=[{place / 'one'},{place / 'two'}]",
            f"data={{all: {place / 'faces'}, "
            f"listed: {{path: {place / 'faces'}, pairs: {place / 'listed.csv'}}}}}",
            f"embeddings={place / 'given.npz'}",
            *few(place),
            f"output={place / 'out'}",
        ]
    )
    folder = place / "out"
    record = json.loads((folder / "evaluation.json").read_text())
    names = [(result["set"], result["model"]) for result in record["results"]]
    assert names == [
        ("all", "one"),
        ("listed", "one"),
        ("all", "two"),
        ("listed", "two"),
        ("given", "m"),
    ]
    faces, model = read_folder(place / "faces"), load_face_model(place / "one")
    fused = embed(model, faces) + embed(model, faces, mirrored=True)
    figures = record["results"][0]["figures"]
    assert figures["auc"]["value"] == pytest.approx(verify(fused, faces.labels)["auc"], abs=1e-6)
    assert figures["auc"]["low"] <= figures["auc"]["value"] <= figures["auc"]["high"]
    assert "accuracy" in record["results"][1]["figures"]
    assert set(record["models"]) == {"one", "two"}
    assert record["sets"]["all"] == faces.hash
    assert record["failed"] == []
    rows = list(csv.DictReader((folder / "evaluation.csv").open()))
    assert {row["set"] for row in rows} == {"all", "listed", "given"}
    assert float(rows[0]["value"]) == figures["auc"]["value"]
    lines = (folder / "evaluation.md").read_text().splitlines()
    assert lines[0].startswith("| set | model | accuracy | AUC | EER | TAR@1e-1 |")
    assert len([line for line in lines if line.startswith("| ")]) == 6
    for kind in ("roc", "det", "scores"):
        for name in ("all", "listed", "given"):
            assert Image.open(folder / f"{kind}-{name}.png").size[0] > 300
    out = capsys.readouterr().out
    assert "AUC" in out
    assert "an image and its mirror image are averaged" in out
    assert out.strip().endswith(f"output: {folder}")


def test_templates_with_given_embeddings_need_no_model(place: Path) -> None:
    meta = place / "janus" / "meta"
    meta.mkdir(parents=True)
    g = np.random.default_rng(0)
    people = np.arange(48) // 4  # two templates a person, of two images each
    np.save(place / "features.npy", g.normal(size=(12, 8))[people] + 0.3 * g.normal(size=(48, 8)))
    lines = [f"{row}.jpg {100 + row // 2} {row}" for row in range(48)]
    (meta / "ijbc_face_tid_mid.txt").write_text("\n".join(lines) + "\n")
    pairs = [(i, j) for i in range(24) for j in range(i)]
    lines = [f"{100 + i} {100 + j} {int(i // 2 == j // 2)}" for i, j in pairs]
    (meta / "ijbc_template_pair_label.txt").write_text("\n".join(lines) + "\n")
    data = f"data={{janus: {{path: {place / 'janus'}, embeddings: {place / 'features.npy'}}}}}"
    main([data, *few(place), f"output={place / 'out'}"])
    (result,) = json.loads((place / "out" / "evaluation.json").read_text())["results"]
    assert (result["kind"], result["model"]) == ("templates", "given embeddings")
    assert result["facts"]["templates"] == 24
    assert result["figures"]["auc"]["value"] > 0.95
    assert result["figures"]["tar@1e-2"]["value"] is not None
    assert result["figures"]["tar@1e-6"]["value"] is None


def test_keys_below_model_and_data(place: Path) -> None:
    main(
        [
            f"model.mine={place / 'one'}",
            f"data.own.path={place / 'faces'}",
            *few(place),
            f"output={place / 'out'}",
        ]
    )
    (result,) = json.loads((place / "out" / "evaluation.json").read_text())["results"]
    assert (result["set"], result["model"]) == ("own", "mine")


def test_mirrored_embeddings_have_a_cache_of_their_own(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces, model = read_folder(place / "faces"), load_face_model(place / "one")
    plain = fused_embeddings(model, faces, place / "cache", flip=False)
    fused = fused_embeddings(model, faces, place / "cache", flip=True)
    again = fused_embeddings(model, faces, place / "cache", flip=True)
    monkeypatch.setattr(embedding, "PART", 7)  # long sets are embedded in parts
    parts = fused_embeddings(model, faces, place / "parts", flip=False)
    torch.testing.assert_close(parts, plain)
    assert len(list((place / "parts").iterdir())) == 4
    torch.testing.assert_close(plain, embed(model, faces))
    torch.testing.assert_close(2 * fused - plain, embed(model, faces, mirrored=True))
    assert torch.equal(fused, again)
    assert len(list((place / "cache").iterdir())) == 2


def test_a_fault_of_one_pair_keeps_the_others(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model with a damaged weight fails on each set; the other model's figures are written."""
    torch.manual_seed(2)
    broken = load_face_model(place / "two")
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    save_face_model(broken, place / "broken")
    given = [f"model=[{place / 'broken'},{place / 'one'}]", f"data={place / 'faces'}"]
    given += [*few(place), f"output={place / 'out'}"]
    with pytest.raises(FaceGeomError, match=r"1 of 2 measurements failed.*\n  broken on faces: "):
        main(given)
    record = json.loads((place / "out" / "evaluation.json").read_text())
    assert [result["model"] for result in record["results"]] == ["one"]
    assert record["failed"][0]["model"] == "broken"
    assert "failed" in capsys.readouterr().out
    with pytest.raises(FaceGeomError, match="Nothing could be measured"):
        main([f"model={place / 'broken'}", *given[1:]])


def test_what_is_wrong_is_named_before_the_work(place: Path) -> None:
    one, faces = f"model={place / 'one'}", f"data={place / 'faces'}"
    for given, message in (
        ([one, faces, "flipp=true"], "Unknown key 'flipp'. Did you mean 'flip'"),
        ([one, faces, "bootstrap.level=95"], r"bootstrap\.level"),
        ([one, faces, "fars=[2]"], "fars must lie between 0 and 1"),
        ([one, faces, "fars=0.1"], "fars must be a list of numbers, got 0.1"),
        ([one, faces, "fars=[a]"], "fars must be a list of numbers"),
        ([one, faces, "ranks=abc"], "ranks must be a list of numbers, got abc"),
        ([one, faces, "ranks=[1.5]"], "ranks must be a list of numbers"),
        ([one, faces, "folds=x"], "folds must be a whole number"),
        ([one, faces, "kept_out=null"], "kept_out must be a number"),
        ([one, faces, "bootstrap.resamples=1.5"], r"bootstrap\.resamples must be a whole number"),
        ([one, faces, "bootstrap=5"], r"bootstrap is no value, got 5.*bootstrap\.resamples"),
        ([one, faces, "seed=x"], "seed must be a whole number"),
        ([one, faces, "batch_size=0"], "batch_size must be a whole number at least 1"),
        ([one, faces, "workers=-1"], "workers must be a whole number at least 0"),
        ([one, faces, "flip=maybe"], "flip must be true or false"),
        ([f"model={{a: {{path: {place / 'one'}}}}}", faces], r"model\.a must be one path"),
        ([one, faces, "wandb=yes"], "wandb must be none, offline or online"),
        ([one, faces, "device=abacus"], "device=abacus cannot be used"),
        ([one], "no data with images"),
        ([faces], "no model is given"),
        ([one, f"data={place / 'nowhere'}"], "nowhere does not exist"),
        ([one, faces, f"embeddings={{faces: {place / 'given.npz'}}}"], "both have a set 'faces'"),
        ([one, "data={a: {path: [1}"], "Cannot read"),
    ):
        with pytest.raises(FaceGeomError, match=message):
            main([*few(place), *given])
    assert not (place / "outputs").exists()


def test_a_folder_of_something_else_is_not_replaced(place: Path) -> None:
    given = [f"embeddings={place / 'given.npz'}", *few(place)]
    with pytest.raises(FaceGeomError, match="holds no evaluation"):
        main([*given, f"output={place}"])
    for _ in range(2):
        main([*given, f"output={place / 'out'}"])
    assert (place / "faces").is_dir()


def test_only_one_process_of_a_launcher_measures(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    main([f"embeddings={place / 'given.npz'}", *few(place)])
    assert not (place / "outputs").exists()


def test_weights_and_biases(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(place / "wandb-data"))
    given = f"embeddings={place / 'given.npz'}"
    main([given, *few(place), "wandb=offline", f"output={place / 'logged' / 'out'}"])
    assert list((place / "logged" / "wandb").glob("offline-run-*/*.wandb"))


def test_help_shows_both_evaluations(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["evaluate", "--help"]) == 0
    out = capsys.readouterr().out
    assert "interpolation:" in out
    assert "regressor:" in out


@pytest.mark.slow
def test_real_embeddings_give_the_known_figures(real_data: Path, tmp_path: Path) -> None:
    file = real_data / "embeddings" / "celeba_subset.npz"
    known = {
        "mobilefacenet_prelu_casia": (0.979, 0.899, 0.833),
        "mobilefacenet_y1": (0.978, 0.919, 0.869),
        "reidentification_retail_0095": (0.986, 0.946, 0.912),
        "densenet_hinge": (0.965, 0.611, 0.494),
    }
    models = f"models: [{','.join(known)}]"
    source = f"{{celeba: {{path: {file}, drop: {{second_face_area_ratio: 0.3}}, {models}}}}}"
    main([f"embeddings={source}", f"output={tmp_path / 'out'}", "bootstrap.resamples=0"])
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    found = {result["model"]: result["figures"] for result in record["results"]}
    for name, values in known.items():
        measured = [found[name][key]["value"] for key in ("auc", "tar@1e-2", "rank1")]
        assert measured == pytest.approx(values, abs=3e-3)
