from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facegeom_lit.commands.check_crops import main
from facegeom_lit.commands.cli import main as cli
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.codec import decode
from facegeom_lit.faces.crop import align
from facegeom_lit.faces.folder import read_folder
from facegeom_lit.faces.pairs import PairSet
from facegeom_lit.faces.verification_bin import write_bin
from facegeom_lit.synthesis.renderer import FaceRenderer


@pytest.fixture(scope="module")
def faces() -> list[np.ndarray]:
    renderer = FaceRenderer()
    images = renderer(renderer.identity(range(24)), {}, range(24))
    return list(images.permute(0, 2, 3, 1).numpy())


def write(folder: Path, images: list[np.ndarray], tree: str = "{}/0.png") -> Path:
    for number, image in enumerate(images):
        path = folder / tree.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.mark.parametrize("tree", ["{}/0.png", "{}.png"])
def test_aligned_crops_pass(
    faces: list[np.ndarray], tree: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "faces", faces, tree)
    main([f"faces={folder}", f"output={tmp_path / 'out'}", "strict=true"])
    assert "verdict: aligned" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "check_crops.json").read_text())
    assert record["verdict"] == "aligned"
    assert (record["crops"], record["found"], record["shape"]) == (24, 24, [112, 112])
    assert Image.open(tmp_path / "out" / "check_crops.png").size[0] > 400


def test_shifted_crops_do_not(
    faces: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "faces", [np.roll(face, -8, 1) for face in faces])
    main([f"faces={folder}"])
    out = capsys.readouterr().out
    assert "verdict: not aligned" in out
    assert "px too far left" in out
    assert "112×96 template" in out
    with pytest.raises(FaceGeomError, match=r"strict: .* not aligned"):
        main([f"faces={folder}", "strict=true"])


def test_a_bin_file_is_read_too(
    faces: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shifted = read_folder(write(tmp_path / "faces", [np.roll(face, 7, 0) for face in faces[:20]]))
    left, right = torch.arange(0, 20, 2), torch.arange(1, 20, 2)
    pairs = PairSet("own", shifted, left, right, torch.zeros(10, dtype=torch.bool), left // 2)
    write_bin(pairs, tmp_path / "own.bin")
    main([f"faces={tmp_path / 'own.bin'}"])
    out = capsys.readouterr().out
    assert "crops: 20 of 112×112" in out
    assert "px too low" in out


def test_narrow_crops_are_named(
    faces: list[np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([f"faces={write(tmp_path / 'faces', [face[:, 8:104] for face in faces])}", "limit=8"])
    out = capsys.readouterr().out
    assert "96 wide and 112 high, not square" in out
    assert "SphereFace" in out
    assert "crops: 8 of 96×112" in out


def test_what_is_wrong_is_said(faces: list[np.ndarray], tmp_path: Path) -> None:
    folder = write(tmp_path / "faces", faces[:2])
    for given, match in (
        ([], "faces=FOLDER"),
        ([f"faces={tmp_path / 'absent'}"], "absent"),
        ([f"faces={{path:{folder}}}"], "faces must be one path"),
        ([f"faces={folder}", "limit=0"], "limit must be positive"),
        ([f"faces={folder}", "limit=many"], "limit must be positive"),
        ([f"faces={folder}", "tolerance.offset=x"], r"tolerance\.offset must be a number"),
        ([f"faces={folder}", "tolerance.offset=0"], r"tolerance\.offset must be positive"),
        ([f"faces={folder}", "detector=yunet"], r"detector\.model=FILE"),
        ([f"faces={folder}", "detector=landmarks", "detector.table=a.csv"], "knows photos"),
        ([f"faces={folder}", f"landmarks={tmp_path}"], "holds no five-point regressor"),
    ):
        with pytest.raises(FaceGeomError, match=match):
            main(given)
    Image.fromarray(faces[0][:100]).save(folder / "1" / "1.png")
    with pytest.raises(FaceGeomError, match=r"differ in size: .* 112×112, .* 112×100"):
        main([f"faces={folder}"])


def test_the_name_has_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["check-crops", "--help"]) == 0
    assert "tolerance:" in capsys.readouterr().out


def test_real_crops_by_yunet(
    real_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = np.load(real_data / "embeddings" / "att.npz")
    sets: dict[str, list[np.ndarray]] = {"right": [], "down": [], "over": []}
    for row in range(0, 400, 80):
        photo = decode((real_data / "faces" / "att" / table["image"][row]).read_bytes(), "photo")
        points = table["landmarks"][row]
        shift = 8 * np.linalg.norm(points[1] - points[0]) / 35.2  # 8 pixels of the crop
        sets["right"].append(align(photo, points, border="replicate"))
        sets["down"].append(align(photo, points - (0, shift), border="replicate"))
        sets["over"].append(sets["right"][-1][::-1, ::-1])
    model = next((real_data / "weights" / "yunet_detector").glob("*.onnx"))
    torch.set_num_threads(1)
    for name, expected in (
        ("right", "verdict: aligned"),
        ("down", "px too low"),
        ("over", "upside-down"),
    ):
        folder = write(tmp_path / name, sets[name])
        main([f"faces={folder}", "detector=yunet", f"detector.model={model}"])
        assert expected in capsys.readouterr().out
