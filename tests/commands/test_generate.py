from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from facegeom_lit.commands.cli import main
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.lattice import Lattice
from facegeom_lit.files import read_json

SMALL = ["generate", "attribute=age", "identities=3", "images_per_identity=4"]


def test_generate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "faces"
    assert main([*SMALL, f"output={folder}"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == f"output: {folder}"
    faces = FaceSet.open(folder, verify=True)
    assert len(faces) == 12
    result = read_json(folder / "result.json")
    assert (result["images"], result["identities"], result["hash"]) == (12, 3, faces.hash)
    assert f"hash: {faces.hash}" in printed
    assert (folder / "contact_sheet.png").is_file()
    assert main([*SMALL, f"output={folder}"]) == 0
    assert read_json(folder / "result.json")["found_complete"] == 12
    with pytest.raises(SystemExit, match="1"):
        main([*SMALL, "seed=1", f"output={folder}"])
    assert "seed 0 there, 1 here" in capsys.readouterr().err


def test_generate_lattice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEGEOM_OUTPUT", str(tmp_path))
    assert main(["generate", "attribute=hue", "identities=2", "nodes=3"]) == 0  # nodes: a lattice
    (folder,) = (tmp_path / "facesets").iterdir()
    lattice = Lattice.from_face_set(FaceSet.open(folder))
    assert lattice.attributes == ("hue",)
    assert lattice.curves["hue"].shape == (6, 3)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["attribute=agee"], "Could not find 'attribute/agee'"),
        (["identites=3"], "Unknown key 'identites'. Did you mean 'identities'? Keys: kind, "),
        (["synthesis.formt=png"], "Unknown key 'synthesis.formt'. Did you mean 'format'?"),
        (
            ["kind=test"],
            "kind must be one of training, curves, lattice, verification, coverage, got",
        ),
        (["kind=training", "nodes=3"], "nodes has no meaning for kind=training"),
        (["kind=training", "measured=[age]"], "measured has no meaning for kind=training"),
        (["kind=verification", "attribute=age"], "leave attribute=none"),
        (["identities=many"], "identities must be a whole number"),
        (["seed=x"], "seed must be a whole number"),
        (["synthesis.maker.processes=0"], "processes must be positive, got 0"),
        (["attribute=age", "attribute.step=50"], "attribute.age: step 50.0 must be positive"),
        (["age"], "Write each setting as key=value; 'age' is not."),
    ],
)
def test_bad_input(
    overrides: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "faces"
    with pytest.raises(SystemExit, match="1"):
        main(["generate", *overrides, f"output={folder}"])
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error
    assert not folder.exists()


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "generate     make a face set" in capsys.readouterr().out
    assert main(["generate", "--help"]) == 0
    assert "images_per_identity:" in capsys.readouterr().out
    assert main(["generat"]) == 2
    assert "Unknown command 'generat'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_signals(tmp_path: Path) -> None:
    """Ctrl-C, then kill -9, then to the end: the hash is that of an undisturbed run."""
    command = [sys.executable, "-m", "facegeom_lit.commands.cli", "generate"]
    command += ["identities=34", "images_per_identity=20", "attribute=age"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    part, whole = tmp_path / "part", tmp_path / "whole"

    def start(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, f"output={folder}"], stderr=subprocess.PIPE, text=True, env=environment
        )

    for shards, sent in ((1, signal.SIGINT), (2, signal.SIGKILL)):
        process = start(part)
        while len(list(part.glob("shard-*"))) < shards:
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(sent)
        _, error = process.communicate(timeout=60)
        assert process.returncode == (130 if sent == signal.SIGINT else -9)
        assert ("Run the same command again to continue" in error) == (sent == signal.SIGINT)
        assert not (part / "contact_sheet.png").exists()
    for folder in (part, whole):
        assert start(folder).communicate(timeout=600) is not None
    assert FaceSet.open(part, verify=True).hash == FaceSet.open(whole, verify=True).hash
