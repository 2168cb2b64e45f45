from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from faces.pictures import picture
from lightning.fabric.utilities.rank_zero import rank_zero_only
from omegaconf import OmegaConf
from PIL import Image

from facegeom_lit.commands import analyze
from facegeom_lit.commands.analyze import main
from facegeom_lit.commands.analyze_settings import check_choices, macroscale_of, microscale_of
from facegeom_lit.commands.cli import main as cli
from facegeom_lit.commands.sources import compose_with_sources
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models import FaceModel, ModelCard, load_face_model, save_face_model
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.synthesis import processes

PEOPLE = 8


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two small models, faces lit from five sides with a table, and two files of embeddings."""
    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)
        arguments = {"width": 0.25, "dimension": 32}
        card = ModelCard(name, "mobilefacenet", 32, arguments)
        model = FaceModel(build_backbone("mobilefacenet", **arguments), card)
        save_face_model(model, tmp_path / name)
    (tmp_path / "faces").mkdir()
    rows = ["path,identity,light,male,side"]
    for person in range(PEOPLE):
        base = picture(person + 1, 112).astype(float)
        for number, light in enumerate((-60, -30, 0, 30, 60)):
            shade = 1 + np.linspace(-1, 1, 112)[None, :, None] * light / 90
            name = f"{person}-{number}.png"
            Image.fromarray((base * shade).clip(0, 255).astype(np.uint8)).save(
                tmp_path / "faces" / name
            )
            rows.append(f"{name},p{person},{light},{1 if person % 2 else -1},left")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    np.savez(tmp_path / "labelled.npz", **labelled())
    np.savez(tmp_path / "lattice.npz", **lattice())
    return tmp_path


def labelled() -> dict[str, Any]:
    g = np.random.default_rng(0)
    people = np.arange(120) // 4
    first = np.where(people % 2, 1, -1)
    embeddings = g.normal(size=(30, 8))[people] + 0.3 * g.normal(size=(120, 8))
    embeddings[:, 0] += 2 * first
    values = np.stack([first, np.where(g.random(120) < 0.5, 1, -1), np.ones(120)], axis=1)
    return {
        "identity": people,
        "first": embeddings.astype(np.float16),
        "second": (g.normal(size=(120, 4)) + 5).astype(np.float32),
        "attributes": values.astype(np.int8),
        "attribute_names": np.array(["Male", "Smiling", "Face"]),
    }


def lattice(people: int = PEOPLE) -> dict[str, Any]:
    g = np.random.default_rng(1)
    nodes = people * 6
    owner = np.arange(nodes) // 6
    middle = g.normal(size=(people, 8))[owner] + 0.3 * g.normal(size=(nodes, 8))
    step = 0.2 * (np.eye(8)[0] + 0.2 * g.normal(size=(nodes, 8)))
    at = np.arange(nodes)
    return {
        "identity": np.tile(owner, 3),
        "m": np.concatenate([middle, middle - step, middle + step]),
        "curves_pose": np.stack([nodes + at, at, 2 * nodes + at], axis=1),
    }


def few(place: Path) -> list[str]:
    return [
        f"paths.output={place / 'outputs'}",
        "bootstrap.resamples=50",
        "macroscale.draws=2",
        "macroscale.permutations=9",
        "microscale.null_permutations=3",
        "device=cpu",
    ]


def read(folder: Path) -> Any:
    """The record; strict about NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads((folder / "analysis.json").read_text(), parse_constant=refuse)


def test_models_and_files_at_both_scales(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = f"{{lit: {{path: {place / 'faces'}, table: {place / 'labels.csv'}, curves: light}}}}"
    main(
        [
            f"model=[{place / 'one'},{place / 'two'}]",
            f"data={data}",
            f"embeddings=[{place / 'labelled.npz'},{place / 'lattice.npz'}]",
            "microscale.rules=[knn_2,ball_1,inverse_distance]",
            "shape.clouds=clouds",
            *few(place),
            f"output={place / 'out'}",
        ]
    )
    folder = place / "out"
    record = read(folder)
    tables = record["tables"]
    names = [(row["set"], row["model"], row["attribute"]) for row in tables["microscale"]]
    assert names == [
        ("lit", "one", "light"),
        ("lit", "two", "light"),
        ("lattice", "m", "pose"),
    ]
    row = tables["microscale"][-1]
    assert (row["rule"], row["people"], row["curves"]) == ("knn_2", PEOPLE, 6 * PEOPLE)
    assert row["energy"] < 0.3  # nearly one direction
    assert row["energy_low"] < row["energy"] < row["energy_high"]
    assert tables["microscale"][0]["curves"] == 3 * PEOPLE
    measures = {r["measure"] for r in tables["microscale_measures"]}
    assert {"energy/knn_2", "energy/ball_1", "energy/inverse_distance", "leakage"} < measures
    people = [r for r in tables["microscale_people"] if r["set"] == "lit" and r["model"] == "one"]
    assert [r["identity"] for r in people] == [f"p{i}" for i in range(PEOPLE)]
    (test, _) = tables["models_compared"]
    assert (test["measure"], test["attribute"], test["first"]) == ("energy", "light", "one")
    assert 0 <= test["mann_whitney_p"] <= 1
    assert len([r for r in tables["correlation"] if r["set"] == "lattice"]) == 20
    macro = {(r["set"], r["model"], r["attribute"]): r for r in tables["macroscale"]}
    assert {key[2] for key in macro if key[0] == "lit"} == {"light", "male"}  # `side` is text
    male = macro["labelled", "first", "Male"]
    assert male["kind"] == "binary"
    assert male["probe_balanced_accuracy"] > 0.9
    assert male["ks_mean"] > macro["labelled", "first", "Smiling"]["ks_mean"]
    assert macro["labelled", "first", "Face"]["remark"].startswith("fewer than two")
    assert {r["cloud"] for r in tables["shape"]} >= {"all images", "identity centres"}
    assert set(record["models"]) == {"one", "two"}
    assert set(record["sets"]) == {"lit", "labelled", "lattice"}
    assert record["failed"] == []
    assert any("Face: fewer than two" in note for note in record["notes"]["labelled"])
    for name in tables:
        for ending in ("csv", "parquet", "tex"):
            assert (folder / "tables" / f"{name}.{ending}").stat().st_size > 0
    with (folder / "tables" / "microscale.csv").open() as file:
        assert float(next(csv.DictReader(file))["energy"]) == tables["microscale"][0]["energy"]
    assert pq.read_table(folder / "tables" / "macroscale.parquet").num_rows == len(macro)
    for figure in ("energies-lit", "responses-lit", "correlation-lattice", "macroscale-labelled"):
        assert Image.open(folder / f"{figure}.png").size[0] > 300
    assert "energies-lit.png" in (folder / "analysis.md").read_text()
    out = capsys.readouterr().out
    assert all(len(line) <= 100 for line in out.splitlines() if line.startswith(("┃", "│", "┏")))
    assert "note: labelled: first, second: Face" in out
    assert out.strip().endswith(f"output: {folder}")


def test_a_scale_and_attributes_can_be_chosen(place: Path) -> None:
    given = [f"embeddings={place / 'labelled.npz'}", *few(place), f"output={place / 'out'}"]
    main([*given, "attributes=[Smiling]", "macroscale.probes=null", "macroscale.outliers=null"])
    tables = read(place / "out")["tables"]
    assert {row["attribute"] for row in tables["macroscale"]} == {"Smiling"}
    assert "outliers" not in tables
    assert tables["macroscale"][0]["probe_accuracy"] is None
    main([*given[1:], f"embeddings={place / 'lattice.npz'}", "scale=microscale"])
    tables = read(place / "out")["tables"]
    assert "macroscale" not in tables
    assert "interaction" not in tables  # of one attribute


def test_one_person_is_measured_with_a_remark(place: Path) -> None:
    np.savez(place / "alone.npz", **lattice(people=1))
    main([f"embeddings={place / 'alone.npz'}", *few(place), f"output={place / 'out'}"])
    record = read(place / "out")
    (row,) = record["tables"]["microscale"]
    assert row["energy"] is not None
    assert (row["energy_low"], row["leakage"], row["people"]) == (None, None, 1)
    assert any(note.startswith("one person") for note in record["notes"]["alone"])


def test_a_fault_of_one_pair_keeps_the_others(place: Path) -> None:
    broken = load_face_model(place / "two")
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    save_face_model(broken, place / "broken")
    data = f"{{lit: {{path: {place / 'faces'}, table: {place / 'labels.csv'}, curves: [light]}}}}"
    given = [f"model=[{place / 'broken'},{place / 'one'}]", f"data={data}", "scale=microscale"]
    given += [*few(place), f"output={place / 'out'}"]
    with pytest.raises(FaceGeomError, match=r"Not everything could .*\n  broken on lit: "):
        main(given)
    record = read(place / "out")
    assert [row["model"] for row in record["tables"]["microscale"]] == ["one"]
    assert record["failed"][0]["model"] == "broken"
    with pytest.raises(FaceGeomError, match="Nothing could be measured"):
        main([f"model={place / 'broken'}", *given[1:]])


def test_bad_settings_are_named() -> None:
    cfg = compose_with_sources("analyze", [])
    for key, value, message in (
        ("scale", "micro", "scale must be one of auto, microscale, macroscale, got 'micro'"),
        ("microscale.rules", ["ball_0.6", "circle_2"], "Unknown neighbourhood 'circle_2'"),
        ("microscale.rules", ["knn_5", "knn_5"], "knn_5 comes twice"),
        ("microscale.rules", "ball_0.6", r"microscale\.rules must be a list"),
        ("microscale.rules", [], r"microscale\.rules must be a list"),
        ("microscale.mean_distance", "rough", "must be exact or sampled, got 'rough'"),
        ("microscale.max_neighbors", 0, r"max_neighbors must be a whole number at least 1"),
        ("microscale.max_neighbors", True, r"max_neighbors must be a whole number at least 1"),
        ("microscale.include_self", 2, r"include_self must be true or false"),
        ("microscale.bins", 0, r"microscale\.bins must be a whole number"),
        ("microscale.reach", "x", r"microscale\.reach must be a number"),
        ("microscale.null_permutations", -1, r"null_permutations must be a whole number"),
        ("macroscale.probes", "people", "must be identity, image or null, got 'people'"),
        ("macroscale.outliers", 3, "must be null or hold k and fewest, got 3"),
        ("macroscale.outliers.k", 0, r"macroscale\.outliers\.k must be a whole number"),
        ("macroscale.per_modality", 1, r"per_modality must be a whole number at least 2"),
        ("shape.clouds", "sky", r"shape\.clouds must be one of none, clouds, all, got 'sky'"),
        ("shape.homology", 3, r"shape\.homology must be a whole number from 0 to 2"),
        ("bootstrap.resamples", 0, r"bootstrap\.resamples must be a whole number"),
        ("bootstrap.level", 1, r"bootstrap\.level must be a number"),
        ("wandb", "yes", "wandb must be none, offline or online"),
        ("attributes", "Male", "attributes must be a list of names"),
        ("attributes", [], "attributes must be a list of names"),
    ):
        changed = cfg.copy()
        OmegaConf.update(changed, key, value, merge=False)
        with pytest.raises(FaceGeomError, match=message):
            check_choices(changed), microscale_of(changed), macroscale_of(changed)
    assert [rule.label for rule in microscale_of(cfg).rules][:2] == ["ball_0.6", "ball_0.4"]
    assert macroscale_of(cfg).probes == "identity"


def test_what_is_wrong_is_named_before_the_work(place: Path) -> None:
    one, labels = f"model={place / 'one'}", place / "labels.csv"
    lit = f"{{path: {place / 'faces'}, table: {labels}"
    curves = f"data={{lit: {lit}, curves: light}}}}"
    file = f"embeddings={place / 'labelled.npz'}"
    np.savez(place / "nobody.npz", m=np.ones((4, 3)))
    np.savez(place / "rows.npz", identity=[0, 1], m=np.ones((4, 3)))
    np.savez(place / "beyond.npz", identity=[0, 0, 0], m=np.ones((3, 3)), curves_a=[[0, 1, 3]])
    np.savez(place / "bare.npz", identity=[0, 0, 1], m=np.ones((3, 3)))
    for given, message in (
        ([file, "scal=micro"], "Unknown key 'scal'. Did you mean 'scale'"),
        ([file, "microscale=5"], r"microscale is no value, got 5"),
        ([file, "microscale.rules=[circle_2]"], r"microscale\.rules: Unknown .* 'circle_2'"),
        ([file, "device=abacus"], "device=abacus cannot be used"),
        (["embeddings="], "embeddings must hold paths, got ''"),
        ([file, "attributes=[Tall]"], "attributes names 'Tall', which no set has. They have: Male"),
        (
            [file, "scale=microscale"],
            "labelled has nothing for scale=microscale, which needs curves",
        ),
        ([f"embeddings={place / 'lattice.npz'}", "scale=macroscale"], "which needs labelled"),
        ([f"embeddings={place / 'bare.npz'}"], "bare has nothing for scale=auto"),
        ([f"embeddings={place / 'nobody.npz'}"], "no array 'identity'"),
        ([f"embeddings={place / 'rows.npz'}"], "'m' has 4 rows, 'identity' has 2"),
        ([f"embeddings={place / 'beyond.npz'}"], r"names rows \[0, 1, 3\] in curve 0"),
        ([one, file], "no data with images"),
        ([curves], r"data holds images \(lit\), but no model is given"),
        ([one, f"data={{lit: {lit}, curves: pose}}}}"], "has no attribute 'pose'"),
        ([one, f"data={{lit: {lit}, curves: side}}}}"], "has no attribute 'side'"),
        ([one, f"data={{lit: {lit}, curves: light, max_span: 10}}}}"], "no three neighbouring"),
        ([one, f"data={{lit: {lit}, fixed: [light]}}}}"], "name the attributes that move"),
        ([one, f"data={{lit: {lit}, curve: light}}}}"], "no key 'curve'"),
        ([one, f"data={place / 'nowhere'}"], "nowhere does not exist"),
        ([f"model={place / 'nothing'}", curves], "nothing does not exist"),
        ([one, curves, f"embeddings={{lit: {place / 'labelled.npz'}}}"], "both have a set 'lit'"),
    ):
        with pytest.raises(FaceGeomError, match=message):
            main([*few(place), *given])
    table = labels.read_text().replace("-60", "nan")
    labels.write_text(table)
    with pytest.raises(FaceGeomError, match="'nan' is not a finite number"):
        main([*few(place), one, f"data={{lit: {lit}, curves: male}}}}"])
    assert not (place / "outputs").exists()


def test_a_folder_of_something_else_is_not_replaced(place: Path) -> None:
    given = [f"embeddings={place / 'lattice.npz'}", *few(place)]
    with pytest.raises(FaceGeomError, match="holds no analysis"):
        main([*given, f"output={place}"])
    assert (place / "faces").is_dir()


def test_what_cannot_be_written_is_said_before_the_work(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyze, "open_file", lambda source: pytest.fail("the work has begun"))
    (place / "file").write_text("precious")
    for where in ("output", "root"):
        with pytest.raises(FaceGeomError, match=r"Cannot write .*/file/below"):
            main([f"embeddings={place / 'lattice.npz'}", f"{where}={place / 'file' / 'below'}"])


def test_names_of_special_characters_are_told_apart(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(place / "a b.npz", **lattice())
    found = lattice()
    found["[red]m"] = found.pop("m")
    np.savez(place / "a@b.npz", **found)
    files = [place / "a b.npz", place / "a@b.npz"]
    main([f"embeddings=[{','.join(map(str, files))}]", *few(place), f"output={place / 'out'}"])
    energies = [place / "out" / f"energies-{end}.png" for end in ("a_b", "a_b-2")]
    page = (place / "out" / "analysis.md").read_text()
    assert all(file.is_file() and f"]({file.name})" in page for file in energies)
    assert "│ [red]m" in capsys.readouterr().out


def test_labels_that_never_differ_say_nothing(place: Path) -> None:
    given = labelled()
    given["attributes"][:] = 1
    np.savez(place / "same.npz", **given)
    with pytest.raises(FaceGeomError, match=r"No attribute \(Male, Smiling, Face\) has two"):
        main([f"embeddings={place / 'same.npz'}", *few(place)])


def test_only_one_process_of_a_launcher_measures(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 3)
    main([f"embeddings={place / 'lattice.npz'}", *few(place)])
    assert not (place / "outputs").exists()


def test_weights_and_biases(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, str(place / "wandb-data"))
    given = f"embeddings={place / 'lattice.npz'}"
    main([given, *few(place), "wandb=offline", f"output={place / 'logged' / 'out'}"])
    assert list((place / "logged" / "wandb").glob("offline-run-*/*.wandb"))


def test_nothing_given_measures_the_embedded_models_on_a_rendered_lattice(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyze, "EMBEDDED", ("one", "two"))
    monkeypatch.setattr(processes, "_cores", lambda: 1)  # so few faces need no second process
    given = [*few(place), f"paths.models={place}", f"output={place / 'out'}", "scale=microscale"]
    given += ["rendered.identities=1", "rendered.nodes=2", "microscale.rules=[knn_2]"]
    main(given)
    record = read(place / "out")
    assert set(record["models"]) == {"one", "two"}
    assert {row["attribute"] for row in record["tables"]["microscale"]} >= {"pose", "age", "hue"}
    assert len(record["tables"]["interaction"]) == 2 * 8 * 7 / 2
    main([*given, f"model={place / 'one'}"])
    assert set(read(place / "out")["models"]) == {"one"}


def test_help_shows_the_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["analyze", "--help"]) == 0
    assert "microscale:" in capsys.readouterr().out


@pytest.mark.slow
def test_the_light_of_real_faces_has_the_known_energy(real_data: Path, tmp_path: Path) -> None:
    yale = real_data / "faces" / "yale_b"
    with (yale / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    people = sorted({row["identity"] for row in rows})[::8]  # all of them: 0.869
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(row for row in rows if row["identity"] in people)
    images = f"path: {yale}, images: crops112, table: {tmp_path / 'labels.csv'}"
    curves = "curves: light_azimuth_deg, fixed: [light_elevation_deg], max_span: 60"
    weights = real_data / "weights" / "mobilefacenet_prelu_casia" / "068.ckpt"
    main(
        [
            f"model={weights}",
            f"data={{yale: {{{images}, {curves}}}}}",
            "scale=microscale",
            "microscale.rules=[knn_5]",
            f"paths.output={tmp_path}",
            f"output={tmp_path / 'out'}",
        ]
    )
    (row,) = read(tmp_path / "out")["tables"]["microscale"]
    assert row["energy"] == pytest.approx(0.8746, abs=2e-3)
