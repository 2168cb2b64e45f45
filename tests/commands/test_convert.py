from __future__ import annotations

import itertools
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands.launch import ENVIRONMENT, ROOT
from faces.pictures import picture

from facegeom_lit.commands.cli import main
from facegeom_lit.faces.codec import encode
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.folder import read_csv, read_folder
from facegeom_lit.faces.recordio import read_recordio
from facegeom_lit.faces.verification_bin import read_bin


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed in range(8):
        folder = tmp_path / "photos" / ("ada" if seed % 2 else "bob")
        folder.mkdir(parents=True, exist_ok=True)
        kind = "jpeg" if seed < 4 else "png"
        (folder / f"{seed}.{kind}").write_bytes(encode(picture(seed), kind, 95))  # type: ignore[arg-type]
    return tmp_path / "photos"


def pixels(faces: FaceSet) -> list[bytes]:
    return [faces.image(row).tobytes() for row in range(len(faces))]


def test_round_the_formats(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = read_folder(photos)
    for step, (source, format_) in enumerate(
        [("photos", "rec"), ("rec", "parquet"), ("parquet", "folder"), ("photos", "parquet")]
    ):
        output = tmp_path / ("named" if step == 3 else format_)
        overrides = [f"faces={tmp_path / source}", f"output={output}", f"format={format_}"]
        assert main(["convert", *overrides]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert printed[-1] == f"output: {output}"
        assert printed[:2] == ["images: 8", "identities: 2"]
    assert pixels(read_recordio(tmp_path / "rec")) == pixels(original)
    assert pixels(FaceSet.open(tmp_path / "parquet", verify=True)) == pixels(original)
    folders = read_folder(tmp_path / "folder")
    assert pixels(folders) == pixels(original)
    assert folders.classes == ["0", "1"]
    named = FaceSet.open(tmp_path / "named", verify=True)
    assert named.classes == ["ada", "bob"]
    assert named.hash == original.hash


def test_pairs(photos: Path, tmp_path: Path) -> None:
    lines = ["ada/1.jpeg,ada/3.jpeg,1", "ada/5.png,bob/4.png,0", "bob/0.jpeg,bob/2.jpeg,1"]
    header = "path_a,path_b,same"
    (photos / "pairs.csv").write_text("\n".join([header, *lines, "ada/7.png,bob/6.png,0"]) + "\n")
    assert main(["convert", f"faces={photos}", f"output={tmp_path / 'mine.bin'}"]) == 0
    pairs = read_bin(tmp_path / "mine.bin")
    assert pairs.same.tolist() == [True, False, True, False]
    np.testing.assert_array_equal(pairs.faces.image(int(pairs.left[1])), picture(5))
    images, _ = pickle.loads((tmp_path / "mine.bin").read_bytes())
    assert images[0] == (photos / "ada" / "1.jpeg").read_bytes()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["output={tmp}/new"], "faces is missing"),
        (["faces={photos}"], "output is missing"),
        (["faces={photos}", "output={tmp}/new"], "format must be one of rec, parquet, folder, bin"),
        (["faces={photos}", "output={tmp}/new", "format=lmdb"], "got 'lmdb'"),
        (["faces={photos}", "output={tmp}/new", "format=[rec]"], "got ['rec']"),
        (["faces={photos}", "output=5", "format=rec"], "output must be one path, got 5"),
        (["faces={photos}", "output={photos}", "format=rec"], "photos exists already"),
        (["faces={photos}", "output={tmp}/new.bin"], "format=bin holds pairs, and"),
        (["faces={tmp}/nowhere", "output={tmp}/new", "format=rec"], "nowhere does not exist"),
        (
            ["faces={photos}", "output={tmp}/new", "format=rec", "fromat=rec"],
            "Unknown key 'fromat'",
        ),
    ],
)
def test_bad_input(
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    overrides: list[str],
    message: str,
) -> None:
    filled = [override.format(tmp=tmp_path, photos=photos) for override in overrides]
    with pytest.raises(SystemExit, match="1"):
        main(["convert", *filled])
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_broken_image_leaves_nothing(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = photos / "bob" / "2.jpeg"
    broken.write_bytes(broken.read_bytes()[:-100])
    for format_ in ("rec", "parquet", "folder"):
        with pytest.raises(SystemExit, match="1"):
            main(["convert", f"faces={photos}", f"output={tmp_path / 'new'}", f"format={format_}"])
        assert "bob/2.jpeg is not a readable image" in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ["photos"]


@pytest.mark.slow
def test_interrupted(photos: Path, tmp_path: Path) -> None:
    for copy in range(3000):
        (photos / "ada" / f"copy{copy}.png").symlink_to(photos / "ada" / "7.png")
    command = ["convert", f"faces={photos}", f"output={tmp_path / 'new'}", "format=rec"]
    process = subprocess.Popen(
        [sys.executable, "-m", "facegeom_lit.commands.cli", *command],
        cwd=ROOT,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    part = tmp_path / f".new.{process.pid}.part" / "train.rec"
    while not (part.is_file() and part.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Interrupted: nothing was written to" in error
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_real_pairs(real_data: Path, tmp_path: Path) -> None:
    yale = real_data / "faces" / "yale_b"
    faces = read_csv(yale / "crops112", yale / "labels.csv", verify=False)
    rows = range(0, len(faces), 200)
    lines = ["path_a,path_b,same"]
    for a, b in itertools.pairwise(rows):
        names = (faces.table["path"][row].as_py() for row in (a, b))
        lines.append(",".join([*names, str(int(faces.labels[a] == faces.labels[b]))]))
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    source = f"faces={{path: {yale / 'crops112'}, pairs: {tmp_path / 'pairs.csv'}}}"
    assert main(["convert", source, f"output={tmp_path / 'yale.bin'}"]) == 0
    pairs = read_bin(tmp_path / "yale.bin")
    for number, (a, b) in enumerate(itertools.pairwise(rows)):
        left, right = int(pairs.left[number]), int(pairs.right[number])
        np.testing.assert_array_equal(pairs.faces.image(left), faces.image(a))
        np.testing.assert_array_equal(pairs.faces.image(right), faces.image(b))
