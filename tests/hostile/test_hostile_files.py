"""No file from elsewhere runs code, hangs, fills the memory, or ends in anything but one message.

The files are opened in child processes: a crash or a hang in C ends the child alone, and its other
cases go on in the next one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands.launch import ENVIRONMENT, ROOT, train
from hostile import everything
from hostile.cases import CANARY, CASES
from hostile.pictures import PNG

from facegeom_lit.commands.cli import main

assert everything
MODEL = ROOT / "data" / "models" / "mobilefacenet"
MEGABYTES = 4000
"""No case may take more: the largest image that is decoded has 179 million pixels, the largest
feature map of an ONNX graph 2^30 numbers."""


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What came of every case that was asked for."""
    items = (getattr(item, "callspec", None) for item in request.session.items)
    waiting = [spec.params["case"] for spec in items if spec and spec.params.get("case") in CASES]
    found: dict[str, dict[str, Any]] = {}
    while waiting:
        ended = child(tmp_path_factory.mktemp("hostile"), waiting)
        begun = ""
        for line in ended.stdout.splitlines():
            outcome = json.loads(line) if line.startswith("{") else {}
            if outcome:
                begun = "" if "error" in outcome else outcome["name"]
                found[outcome["name"]] = outcome
        assert begun or not ended.returncode, ended.stderr[-3000:]
        if begun:
            found[begun]["died"] = f"exit code {ended.returncode}: {ended.stderr[-3000:]}"
        waiting = [name for name in waiting if name not in found]
    return found


def child(folder: Path, names: list[str]) -> subprocess.CompletedProcess[str]:
    """Open cases, up to the first that ends the process."""
    paths = f"{ROOT / 'tests'}{os.pathsep}{ROOT}"
    return subprocess.run(
        [sys.executable, "-m", "hostile.child", str(folder), *names],
        env={**ENVIRONMENT, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory figures from /proc")
@pytest.mark.parametrize("case", CASES)
def test_hostile_file(outcomes: dict[str, dict[str, Any]], case: str) -> None:
    found = outcomes[case]
    assert "died" not in found, found["died"]
    assert not found["canary"], "code in the file was run"
    assert not found["events"], "a process was started, or a connection opened"
    assert not found["appeared"], "something was written"
    assert found["megabytes"] < MEGABYTES
    if CASES[case].harmless and not found["error"]:
        return
    assert found["error"] == "FaceGeomError", found
    assert (CASES[case].named or found["file"]) in found["message"], "the message names the file"
    assert found["message"].rstrip().endswith((".", "?", ")", "}")) or "\n" in found["message"]
    assert "Traceback" not in found["message"]


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 40


def made(name: str, folder: Path) -> Any:
    """Make the hostile file of a case."""
    (folder / "in").mkdir()
    return CASES[name].build(folder / "in")


COMMANDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "evaluate": ("evaluation-os.system", "data", (f"model={MODEL}",)),
    "analyze": ("analysis-curves_out_of_range", "embeddings", ()),
    "convert": ("faces-image,_PostScript", "faces", ("format=parquet",)),
    "crop": ("landmarks-objects", "detector.table", ("detector=landmarks", "photos=photos")),
    "import": ("model-zipped_eval", "model", ()),
    "export": ("pack-network_with_Loop", "detector_file", (f"model={MODEL}", "format=pack")),
}
"""Command → hostile file, the key that names it, and what else the command needs."""


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_end_with_one_line(
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case, key, others = COMMANDS[name]
    source = made(case, tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([name, f"{key}={source}", *others, f"output={tmp_path / 'out'}"])
    assert ended.value.code == 1
    printed = capsys.readouterr()
    check_printed(printed.out, printed.err, source)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "photos"]


def test_training_ends_with_one_line(tmp_path: Path) -> None:
    source = made("model-plain_exec", tmp_path)
    ended = train("backbone=from_file", f"backbone.weights={source}", output=tmp_path / "out")
    assert ended.returncode == 1, ended.stderr[-3000:]
    check_printed(ended.stdout, ended.stderr, source)
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in written if ".hydra" not in path.parts and path.suffix != ".log"]


def check_printed(out: str, err: str, source: Path) -> None:
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, err[-3000:]
    assert source.name in errors[0]
    assert "Traceback" not in out + err
    assert not (source.parent / CANARY).exists()
