from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands.launch import ENVIRONMENT
from synthesis.prior.tiny import save_tiny_prior

from facegeom_lit.commands.cli import main
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.files import read_json


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_prior(tmp_path_factory.mktemp("prior"))


def command(model: Path, folder: Path, *overrides: str) -> list[str]:
    arguments = ("synthesis=diffusion", f"synthesis.maker.model={model}", "synthesis.maker.steps=2")
    people = ("identities=16", "images_per_identity=40")
    return [sys.executable, "-m", "facegeom_lit.commands.cli", "generate",
            *arguments, *people, f"output={folder}", *overrides]  # fmt: skip


def finish(command: list[str]) -> str:
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    folder = Path(done.stdout.strip().splitlines()[-1].removeprefix("output: "))
    return FaceSet.open(folder, verify=True).hash


@pytest.mark.slow
def test_one_hash_whatever_happens(model: Path, tmp_path: Path) -> None:
    whole = finish(command(model, tmp_path / "whole", "synthesis.maker.processes=1"))

    killed = command(model, tmp_path / "killed", "synthesis.maker.processes=1")
    kills = 0
    while kills < 2:
        process = subprocess.Popen(killed, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        before = len(list((tmp_path / "killed").glob("shard-*")))
        while len(list((tmp_path / "killed").glob("shard-*"))) == before:
            assert process.poll() is None, "nothing left to kill"
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert not read_json(tmp_path / "killed" / "card.json")["complete"]
    other_batch = ("synthesis.maker.batch_size=5", "synthesis.maker.processes=2")
    assert finish([*killed, *other_batch]) == whole

    two = ("trainer=ddp_cpu", "synthesis.maker.processes=1")
    assert finish(command(model, tmp_path / "two", *two)) == whole


def test_a_lattice_by_the_prior(model: Path, tmp_path: Path) -> None:
    arguments = command(model, tmp_path, "kind=lattice", "measured=[age,hue]", "nodes=2")[3:]
    arguments = [a for a in arguments if not a.startswith(("identities", "images_per"))]
    assert main([*arguments, "identities=2", "synthesis.maker.processes=1"]) == 0
    faces = FaceSet.open(tmp_path)
    assert Lattice.from_face_set(faces).curves["hue"].shape == (4, 3)
    assert set(faces.table["source"].to_pylist()) == {"diffusion"}


def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = {
        ("synthesis=diffusion", f"synthesis.maker.model={tmp_path}"): "holds no prior. Train one",
        ("synthesis=prior_edit",): "edits given photos; name them with photos=FOLDER",
        ("photos=somewhere",): "synthesis=renderer draws faces of its own",
        ("synthesis=prior_edit", f"photos={tmp_path}", "nodes=3"): "nodes has no meaning where",
        ("synthesis=prior_edit", "photos=/nowhere", "attribute=age"): "/nowhere",
    }
    for overrides, message in cases.items():
        with pytest.raises(SystemExit, match="1"):
            main(["generate", *overrides, f"output={tmp_path / 'out'}"])
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()
