from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands.launch import ENVIRONMENT, ROOT
from faces.pictures import picture
from PIL import Image

from facegeom_lit.commands.cli import main as cli
from facegeom_lit.commands.crop import _continued, main
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode
from facegeom_lit.faces.crop import TEMPLATE, align
from facegeom_lit.faces.cropping import CropSettings
from facegeom_lit.faces.detectors.landmarks import POINT_COLUMNS

SIDE = 200


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve photos of three people; 0/3 has no face, 1/3 two, 2/3 is no image."""
    root = tmp_path / "photos"
    lines = [",".join(["path", *POINT_COLUMNS, "score"])]
    for number in range(12):
        name = f"{number // 4}/{number % 4}.png"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number, SIDE)).save(root / name)
        for face in range({"0/3.png": 0, "1/3.png": 2}.get(name, 1)):
            points = TEMPLATE * (1 + 0.2 * face) + 20 + number - 10 * face
            lines.append(",".join([name, *map(str, points.ravel()), str(0.5 + 0.1 * face)]))
    (root / "2" / "3.png").write_bytes(b"no image")
    (tmp_path / "points.csv").write_text("\n".join(lines))
    return root


def overrides(photos: Path, output: Path, *more: str) -> list[str]:
    table = photos.parent / "points.csv"
    return [
        f"photos={photos}",
        f"output={output}",
        "detector=landmarks",
        f"detector.table={table}",
        "processes=1",
        *more,
    ]


def report(output: Path) -> dict[str, dict[str, str]]:
    with (output / "crop.csv").open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def files(output: Path) -> dict[str, bytes]:
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.is_file()
    }


def test_every_photo_is_cropped_or_accounted_for(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    main(overrides(photos, output))
    rows = report(output)
    assert list(rows) == sorted(rows)
    assert len(rows) == 12
    status = {path: row["status"] for path, row in rows.items() if row["status"] != "cropped"}
    assert status == {"0/3.png": "no_face", "1/3.png": "many_faces", "2/3.png": "unreadable"}
    assert rows["1/3.png"]["faces"] == "2"
    assert "not a readable image" in rows["2/3.png"]["note"]
    crop = decode((output / "1" / "0.png").read_bytes(), "crop")
    assert np.array_equal(crop, align(picture(4, SIDE), TEMPLATE + 24))
    assert rows["1/0.png"]["crop"] == "1/0.png"
    assert float(rows["1/0.png"]["x1"]) == pytest.approx(TEMPLATE[0, 0] + 24, abs=1e-3)
    assert Image.open(output / "crop.png").size == (9 * 112, 126)
    out = capsys.readouterr().out
    assert "crops: 9" in out
    assert "no_face: 1 (no face found): 0/3.png" in out
    assert out.strip().endswith(f"output: {output}")


def test_a_killed_job_goes_on_to_the_same_result(photos: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    main(overrides(photos, whole))
    main(overrides(photos, killed))
    lines = (killed / "crop.csv").read_text().splitlines(keepends=True)
    (killed / "crop.csv").write_text("".join(lines[:5]) + lines[5][:20])  # torn by a kill
    (killed / "2" / "0.png").unlink()
    (killed / "crop.png").unlink()
    (killed / "0" / "1.png").unlink()  # listed as done, but gone
    main(overrides(photos, killed))
    assert files(killed) == files(whole)
    before = {path: os.stat(killed / path).st_mtime_ns for path in files(killed) if "/" in path}
    main(overrides(photos, killed))
    assert before == {path: os.stat(killed / path).st_mtime_ns for path in before}


@pytest.mark.slow
def test_kill_9_in_the_middle_costs_nothing_that_was_done(photos: Path, tmp_path: Path) -> None:
    for number in range(150):  # enough to be caught at it
        Image.fromarray(picture(number, SIDE)).save(photos / "0" / f"more{number}.png")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    main(overrides(photos, whole))
    command = [sys.executable, "-m", "facegeom_lit.commands.cli", "crop"]
    job = subprocess.Popen(
        [*command, *overrides(photos, killed, "processes=2")],
        cwd=ROOT,
        env=ENVIRONMENT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    listing = killed / "crop.csv"
    deadline = time.time() + 120
    while not (listing.exists() and len(listing.read_bytes().splitlines()) > 20):
        assert time.time() < deadline
        time.sleep(0.02)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    main(overrides(photos, killed, "processes=2"))
    kept = files(killed)
    assert {name: data for name, data in kept.items() if ".part" not in name} == files(whole)


@pytest.mark.parametrize(
    ("choice", "expected"), [("largest", 1.2), ("central", 1.2), ("all", (1.2, 1.0))]
)
def test_several_faces_are_taken_as_asked(
    photos: Path, tmp_path: Path, choice: str, expected: float | tuple[float, ...]
) -> None:
    output = tmp_path / "out"
    main(overrides(photos, output, f"faces={choice}"))
    scales = expected if isinstance(expected, tuple) else (expected,)
    names = [f"3.face{i}.png" for i in range(2)] if choice == "all" else ["3.png"]
    for name, scale in zip(names, scales, strict=True):
        points = TEMPLATE * scale + 20 + 7 - (10 if scale > 1 else 0)
        crop = decode((output / "1" / name).read_bytes(), name)
        assert np.array_equal(crop, align(picture(7, SIDE), points))
    text = (output / "crop.csv").read_text()
    assert text.count("1/3.png,cropped,2,") == len(scales)
    (output / "crop.csv").write_text(text[: text.rindex("1/3.png,cropped")])  # one of two lines
    (output / "1" / names[-1]).unlink()
    main(overrides(photos, output, f"faces={choice}"))
    assert (output / "crop.csv").read_text() == text


def test_other_settings_are_not_mixed_in(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    main(overrides(photos, output))
    before = files(output)
    for changed in ("size=224", "border=replicate", "faces=largest", "format=jpeg"):
        with pytest.raises(FaceGeomError, match=r"crops made otherwise"):
            main(overrides(photos, output, changed))
    table = photos.parent / "points.csv"
    table.write_text(table.read_text() + "\n")
    other = table.rename(table.with_name("other.csv"))
    with pytest.raises(FaceGeomError, match=r"crops made otherwise .*detector"):
        main([*overrides(photos, output), f"detector.table={other}"])
    assert files(output) == before


def test_strict_fails_after_the_work(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="3 of 12 photos gave no crop"):
        main(overrides(photos, tmp_path / "out", "strict=true"))
    assert len(report(tmp_path / "out")) == 12


def test_jpeg_and_other_sizes(photos: Path, tmp_path: Path) -> None:
    main(overrides(photos, tmp_path / "out", "format=jpeg", "size=224"))
    with Image.open(tmp_path / "out" / "0" / "0.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (224, 224))
    assert json.loads((tmp_path / "out" / "crop.json").read_text())["size"] == 224


def test_what_is_wrong_is_said_before_the_work(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for bad, match in {
        "faces=first": "faces must be one of refuse, largest, central, all",
        "border=mirror": "border must be one of",
        "size=100": "multiple of 112 or 128",
        "quality=0": "quality must be a whole number from 1 to 100",
        "processes=0": "processes must be positive",
        "processes=many": "processes must be positive",
        "size=big": "size must be a whole number",
        "quality=high": "quality must be a whole number",
        "detector.table=5": r"detector\.table must be one file",
        f"photos=[{photos}]": "photos must be one path",
        "format=gif": "image_format must be one of",
        "detector=yunet": r"detector\.model=FILE",
        f"output={photos}/crops": "must not lie in one another",
        f"photos={tmp_path}/absent": "does not exist",
        "photos=null": "photos=FOLDER",
    }.items():
        given = [
            o for o in overrides(photos, output) if bad != "detector=yunet" or "table" not in o
        ]
        with pytest.raises(FaceGeomError, match=match):
            main([*given, bad])
    Image.fromarray(picture(1)).save(photos / "0" / "1.jpg")
    with pytest.raises(FaceGeomError, match=r"0/1\.jpg and 0/1\.png .* would both be written to"):
        main(overrides(photos, output))
    assert not output.exists()


def test_a_folder_of_other_files_is_left_alone(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(FaceGeomError, match="holds other files"):
        main(overrides(photos, tmp_path / "out"))


def test_a_photo_that_vanished_is_named(photos: Path, tmp_path: Path) -> None:
    main(overrides(photos, tmp_path / "out"))
    there = [path for path in report(tmp_path / "out") if path not in ("0/0.png", "2/3.png")]
    with pytest.raises(FaceGeomError, match=r"1 photos whose crops .* are gone, e\.g\. 0/0\.png"):
        _continued(photos, tmp_path / "out", there, CropSettings())


def test_photos_that_were_mended_removed_or_replaced_are_seen(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    more = ["faces=all", "strict=true"]
    with pytest.raises(FaceGeomError, match="2 of 12 photos gave no crop"):
        main(overrides(photos, output, *more))
    Image.fromarray(picture(11, SIDE)).save(photos / "2" / "3.png")  # mended
    (photos / "0" / "3.png").unlink()  # had no face
    changed = picture(99, SIDE)
    Image.fromarray(changed).save(photos / "0" / "0.png")  # another photo of that name
    main(overrides(photos, output, *more))
    assert {row["status"] for row in report(output).values()} == {"cropped"}
    assert "0/3.png" not in report(output)
    crop = decode((output / "0" / "0.face0.png").read_bytes(), "crop")
    np.testing.assert_array_equal(crop, align(changed, TEMPLATE + 20))


def test_a_report_is_a_table_of_landmarks(photos: Path, tmp_path: Path) -> None:
    main(overrides(photos, tmp_path / "out"))
    table = tmp_path / "out" / "crop.csv"
    main([*overrides(photos, tmp_path / "again"), f"detector.table={table}"])
    rows, again = report(tmp_path / "out"), report(tmp_path / "again")
    for path, row in rows.items():
        same = ("path", "crop", *POINT_COLUMNS)
        assert [row[name] for name in same] == [again[path][name] for name in same]


def test_help_lists_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["crop", "--help"]) == 0
    assert "border: constant" in capsys.readouterr().out


def test_real_photos_by_given_landmarks_and_by_yunet(real_data: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "s3").mkdir()
    for number in (1, 2, 3):
        (photos / "s3" / f"{number}.pgm").symlink_to(
            real_data / "faces" / "att" / "s3" / f"{number}.pgm"
        )
    model = next((real_data / "weights" / "yunet_detector").glob("*.onnx"))
    main([f"photos={photos}", f"output={tmp_path / 'out'}", f"detector.model={model}"])
    table = np.load(real_data / "embeddings" / "att.npz")
    known = dict(zip(table["image"].tolist(), table["landmarks"], strict=True))
    rows = report(tmp_path / "out")
    for path, row in rows.items():
        points = np.array([float(row[name]) for name in POINT_COLUMNS]).reshape(5, 2)
        assert np.linalg.norm(points - known[path], axis=1).mean() < 6
