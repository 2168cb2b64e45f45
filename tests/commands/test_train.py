from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from commands.launch import ENVIRONMENT, ROOT, command, record, refused, train
from PIL import Image
from synthesis.prior.tiny import save_tiny_prior

from facegeom_lit.attributes import MEASURED
from facegeom_lit.models import load_face_model, weights_hash
from facegeom_lit.synthesis.maker import RendererMaker
from facegeom_lit.synthesis.recipe import Recipe

pytestmark = pytest.mark.slow
LONG = (
    "debug=fdr",
    "synthesis=renderer",
    "tuning=lora",
    "trainer.max_epochs=40",
    "trainer.check_val_every_n_epoch=40",
    "seed=3",
)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One output folder, so that the face sets of the fast runs are made once."""
    return tmp_path_factory.mktemp("output")


@pytest.fixture(scope="module")
def fast_run(output: Path) -> subprocess.CompletedProcess[str]:
    return train("debug=fdr", output=output)


def test_a_run_writes_everything(fast_run: subprocess.CompletedProcess[str]) -> None:
    run = record(fast_run)
    for name in MEASURED:
        for measure in ("energy", "response", "exact_energy", "exact_response"):
            assert f"val/{measure}/{name}" in run["metrics"]
            assert f"val/{measure}/{name}" in run["differences"]
    for reference in ("original", "mobilefacenet"):
        for kind in ("native", "none", "procrustes", "linear", "ridge"):
            for direction in ("to", "from"):
                assert f"val/align/{reference}/{kind}/{direction}/rank1" in run["metrics"]
    assert "val/verify/verification/auc" in run["metrics"]
    assert set(run["metrics"]) == set(run["baseline"])
    for key in ("config_hash", "weights", "face_sets", "versions", "wall_seconds", "seed"):
        assert run[key] not in (None, "", {})
    folder = Path(fast_run.stdout.strip().splitlines()[-1].removeprefix("output: "))
    pictures = {file.stem for file in (folder / "figures").glob("*.png")}
    assert {"lattice", "attributes", "energy_violins", "verification", "training"} <= pictures
    assert {"alignment", "alignment_rank", "alignment_anchors", "training_faces"} <= pictures
    assert {"exact_lattice", "exact_attributes", "exact_energy_violins"} <= pictures
    assert {"interaction", "exact_interaction"} <= pictures
    tables = run["tables"]["after"]
    assert {"interaction", "correlation", "exact_interaction"} <= set(tables)
    assert tables["interaction"]["age"]["pose"] == tables["interaction"]["pose"]["age"]
    assert {curve["kind"] for curve in tables["alignment_curves"]} == {"rank", "anchors"}
    assert "backward compatibility, rank-1 of new probes: old gallery" in fast_run.stdout
    assert weights_hash(load_face_model(folder / "model")) == run["weights"]["after"]
    assert (folder / "csv" / "session_0" / "metrics.csv").is_file()
    assert list((folder / "wandb").glob("offline-run-*"))


def test_a_complete_run_is_shown_and_not_repeated(
    fast_run: subprocess.CompletedProcess[str], output: Path
) -> None:
    again = train("debug=fdr", output=output)
    assert "This very run is complete" in again.stdout
    assert record(again) == record(fast_run)


def test_bad_input_costs_no_finished_run(
    fast_run: subprocess.CompletedProcess[str], output: Path
) -> None:
    before = record(fast_run)
    refused = train("debug=fdr", "rerun=true", "training.mirror=maybe", output=output)
    assert refused.returncode == 1
    assert record(fast_run) == before


def test_changed_weights_are_not_taken_for_the_same_run(output: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "data" / "models" / "mobilefacenet", tmp_path / "model")
    command = ("debug=fdr", "backbone=from_file", f"model={tmp_path}/model", "reference=none")
    record(train(*command, output=output))
    card = tmp_path / "model" / "card.json"
    card.write_text(card.read_text().replace('"RGB"', '"BGR"'))
    again = train(*command, output=output)
    assert again.returncode == 1
    assert "other weights or card" in again.stderr
    shutil.rmtree(tmp_path / "model")
    refused = train(*command, "rerun=true", output=output)
    assert refused.returncode == 1
    assert list(output.glob("fine_tune/*from_file*/run.json")), "bad input cost a finished run"


@pytest.fixture(scope="module")
def undisturbed(output: Path) -> dict[str, Any]:
    return record(train(*LONG, output=output))


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_training_continues_to_the_same_figures(
    sent: signal.Signals, undisturbed: dict[str, Any], output: Path, tmp_path: Path
) -> None:
    start = time.monotonic()
    with subprocess.Popen(
        command(*LONG, f"paths.output={tmp_path}", f"paths.cache={output}/cache"),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not list(tmp_path.glob("fine_tune/*/checkpoints/last.ckpt")):
            assert process.poll() is None, "ended before its first checkpoint"
            assert time.monotonic() - start < 120
            time.sleep(0.005)
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    if sent == signal.SIGINT:
        assert process.returncode == 130
        assert "Run the same command again" in said
    (last,) = tmp_path.glob("fine_tune/*/checkpoints/last.ckpt")
    assert torch.load(last, weights_only=True)["epoch"] < 39, "the interruption came too late"
    assert not list(tmp_path.glob("fine_tune/*/run.json"))
    resumed = record(train(*LONG, f"paths.cache={output}/cache", output=tmp_path))
    assert resumed["metrics"] == undisturbed["metrics"]
    assert resumed["weights"] == undisturbed["weights"]
    (saved,) = tmp_path.glob("fine_tune/*/model")
    assert weights_hash(load_face_model(saved)) == resumed["weights"]["after"]


def test_a_sweep_ends_with_the_attribute_matrix(output: Path) -> None:
    finished = train("-m", "debug=fdr", "attribute=hair_color,contrast", "seed=0,1", output=output)
    assert finished.returncode == 0, finished.stderr[-3000:]
    folder = Path(finished.stdout.strip().splitlines()[-1].removeprefix("output: "))
    result = json.loads((folder / "result.json").read_text())
    assert len(result["runs"]) == len(set(result["runs"])) == 4
    for tuned in ("hair_color", "contrast"):
        assert f"{tuned}/age" in result["differences"]["response"]
    assert (folder / "figures" / "response.png").is_file()
    assert (folder / "response.csv").is_file()


def test_two_processes_agree_with_each_other_and_finish(output: Path) -> None:
    run = record(train("debug=fdr", "trainer=ddp_cpu", "logger=csv", output=output))
    assert run["metrics"]["val/verify/verification/auc"] is not None


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["attribute=hair_colour"], "hair_colour"),
        (["backbone=resnet18"], "resnet18"),
        (["training.learning_rate=1"], "learning_rate"),
        (["evaluation.measured=[age,weight]"], "Unknown attribute 'weight'"),
        (["attribute=none", "objective=sensitivity"], "attribute=none"),
        (["data=folder"], "data.root is not set"),
        (["data=folder", "data.root=/nowhere", "attribute=contrast"], "/nowhere"),
        (["model=/nowhere.pth"], "/nowhere.pth"),
        (["training.head_warmup_epochs=9"], "training.head_warmup_epochs=9"),
        (["training.layer_decay=2"], "training.layer_decay"),
        (["training.lr=fast"], "training.lr must be a number"),
        (["rerun=no"], "rerun must be true or false"),
        (["tuning.frozen=[leyer1]"], "It has: stem, layer1"),
        (["tuning=lora", "tuning.lora.rank=0"], "tuning.lora.rank must be"),
        (["tuning.lora={rank: 8}"], "tuning.lora must be null or hold alpha, dropout, rank"),
        (["callbacks.class_mean_head.images=-1"], "callbacks.class_mean_head.images"),
        (["+trainin.lr=3"], "Unknown key 'trainin.lr'"),
        (["head.margin=foo"], "head.margin must be a number"),
        (["callbacks.verification.fars=[2,0]"], "callbacks.verification.fars"),
        (["callbacks.cross_model_alignment.maps=[rigid]"], "cross_model_alignment: maps holds"),
        (["callbacks.cross_model_alignment.maps=[{method: low_rank, rank: 129}]"], "rank 129"),
        (["seed=-1"], "seed must be a whole number"),
        (["evaluation.measured=null"], "evaluation.measured must be a list"),
        (["attribute.high=2"], "attribute.high=2.0 reach beyond"),
        (["backbone=iresnet50", "model=data/models/iresnet_small"], "backbone=from_file"),
    ],
)
def test_bad_input_is_one_message_and_a_failure(
    overrides: list[str], words: str, output: Path
) -> None:
    said = refused("debug=fdr", *overrides, output=output)
    assert words in said
    assert "Traceback" not in said


def test_given_photos_are_trained_and_measured_on(output: Path, tmp_path: Path) -> None:
    maker = RendererMaker()
    recipe = Recipe("training", identities=10, images_per_identity=4, first_identity=800000)
    for number, image in enumerate(maker.render(recipe.samples())):
        folder = tmp_path / f"person{number // 4}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{number % 4}.png")
    overrides = ["data=folder", f"data.root={tmp_path}", "data.lattice_nodes=3"]
    run = record(train("debug=fdr", "attribute=contrast", *overrides, output=output))
    measured = {name.split("/")[2] for name in run["metrics"] if name.startswith("val/energy/")}
    assert measured == {"brightness", "contrast", "hue"}
    (tmp_path / "person0" / "0.png").unlink()
    stale = train("debug=fdr", "attribute=contrast", *overrides, output=output)
    assert stale.returncode == 1
    assert "other faces" in stale.stderr
    refused = train("debug=fdr", "attribute=age", *overrides, output=output)
    assert refused.returncode == 1
    assert "attribute=age is a facial attribute" in refused.stderr
    edit = ["data=edited", f"data.root={tmp_path}", "data.lattice_nodes=2", "data.variations=2"]
    no_editor = train("debug=fdr", "attribute=age", *edit, output=output)
    assert "data=edited needs an editor, which synthesis=diffusion has not" in no_editor.stderr
    prior = save_tiny_prior(output / "tiny_prior")
    edit += ["synthesis=prior_edit", f"synthesis.editor.model={prior}", "synthesis.editor.steps=1"]
    edit += ["gates=none", "evaluation.measured=[age,hue]", "callbacks.cross_model_alignment=null"]
    run = record(train("debug=fdr", "attribute=age", *edit, output=output))
    assert {"val/energy/age", "val/energy/hue"} <= set(run["metrics"])
    assert not any(name.startswith("val/align/") for name in run["metrics"])
