from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import pytest
from filelock import FileLock
from synthesis.fake_maker import FakeMaker

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.recipe import Recipe
from facegeom_lit.synthesis.writer import production_hash

RECIPE = Recipe("training", 6, images_per_identity=7, attribute="age", split="training")
NAME = f"training-{production_hash(RECIPE, FakeMaker())[:12]}"
HOLD = """
import os, signal, sys
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""


def hold(lock: Path) -> subprocess.Popen[str]:
    """Start a process that holds the lock until its input ends, and is then killed."""
    pipe = subprocess.PIPE
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=pipe, stdout=pipe, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_made_once(tmp_path: Path) -> None:
    maker = FakeMaker()
    with ThreadPoolExecutor(3) as pool:
        made = list(
            pool.map(lambda _: prepare_face_set(RECIPE, maker, tmp_path, progress=False), range(3))
        )
    assert maker.made == len(RECIPE)
    assert len({faces.hash for faces in made}) == 1
    assert len(list(tmp_path.glob("training-*"))) == 1
    with FileLock(tmp_path / f".{NAME}.lock"):  # what is complete is opened without the lock
        assert prepare_face_set(RECIPE, maker, tmp_path).hash == made[0].hash


def test_waits_for_the_other_process(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hold(tmp_path / f".{NAME}.lock") as holder:
        interrupt = Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        interrupt.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                prepare_face_set(RECIPE, FakeMaker(), tmp_path)
        finally:
            interrupt.cancel()  # or it would end pytest
        assert f"Another process makes {tmp_path / NAME}: waiting" in capsys.readouterr().err
        assert not (tmp_path / NAME).exists()
        assert holder.stdin is not None
        Timer(0.5, holder.stdin.close).start()
        assert len(prepare_face_set(RECIPE, FakeMaker(), tmp_path, progress=False)) == len(RECIPE)
    assert holder.returncode == -signal.SIGKILL


def test_a_folder_that_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FaceGeomError, match=r"Cannot lock .*paths\.cache"):
        prepare_face_set(RECIPE, FakeMaker(), tmp_path / "file" / "facesets")
