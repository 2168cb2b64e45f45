from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from models.weights.tiny_detector import write_detector
from PIL import Image

from facegeom_lit.commands.cli import main
from facegeom_lit.models import build_face_model, load_face_model, save_face_model
from facegeom_lit.resources import resource

MODEL = resource("data") / "models" / "iresnet_small"


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Identity folders with five pictures of random pixels."""
    for index in range(5):
        folder = tmp_path / "faces" / f"person{index % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(256, (112, 112, 3), dtype=torch.uint8).numpy()
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return tmp_path / "faces"


def test_onnx_of_a_run(tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(MODEL, tmp_path / "run" / "model")
    output = tmp_path / "exported" / "mine.onnx"
    arguments = ["export", f"model={tmp_path / 'run'}", f"output={output}"]
    assert main([*arguments, f"faces={faces}", "max_faces=3"]) == 0
    printed = capsys.readouterr().out
    assert "mine.onnx" in printed
    assert "4 random + 3 faces" in printed
    assert "1.000000  1.000000" in printed
    assert "licence: same as facegeom_lit" in printed
    assert "replaced" not in printed
    assert printed.splitlines()[-1] == f"output: {output}"
    assert [file.name for file in output.parent.iterdir()] == ["mine.onnx"]
    assert main(arguments) == 0
    assert f"note: {output} was there and has been replaced" in capsys.readouterr().out


def test_faces_that_are_no_crops(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (96, 112)).save(faces / "person0" / "0.png")
    with pytest.raises(SystemExit, match="1"):
        main(["export", f"model={MODEL}", f"output={tmp_path / 'x.onnx'}", f"faces={faces}"])
    assert "112×96" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()


def test_several_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    card = {"licence": "CC0", "distance": "euclidean"}
    arguments = {"scale": 2, "dimension": 64}
    save_face_model(build_face_model("my model", "mobilefacenet", arguments, card=card), tmp_path)
    detector = write_detector(tmp_path / "det.onnx")
    root = tmp_path / "all"
    formats = "format=[onnx,pack,arcface_torch,safetensors]"
    words = ["export", f"model={tmp_path}", f"output={root}", formats, f"detector_file={detector}"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "the weights, read back" in printed
    assert "note: compare raw embeddings by Euclidean distance" in printed
    files = sorted(file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file())
    assert files == [
        "backbone.pth",
        "model/card.json",
        "model/model.safetensors",
        "models/my_model/det.onnx",
        "models/my_model/w_my_model.onnx",
        "my_model.onnx",
    ]
    known = load_face_model(tmp_path).card
    assert load_face_model(root / "model").card == known
    assert load_face_model(root / "backbone.pth").card.hash == known.hash
    # The two lines that are printed load the pack.
    lines = printed.splitlines()
    start = lines.index("from insightface.app import FaceAnalysis")
    pytest.importorskip("insightface")
    names: dict = {}
    exec("\n".join(lines[start : start + 2]), names)
    assert sorted(names["app"].models) == ["detection", "recognition"]


@pytest.mark.parametrize(
    ("name", "format"), [("m.onnx", "onnx"), ("m.pt", "arcface_torch"), ("m", "safetensors")]
)
def test_format_by_suffix(
    name: str, format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"scale": 2, "dimension": 64}
    save_face_model(build_face_model("m", "mobilefacenet", arguments), tmp_path / "model")
    assert main(["export", f"model={tmp_path}", f"output={tmp_path / name}"]) == 0
    assert f" {format} " in capsys.readouterr().out
    assert load_face_model(tmp_path / name).card.architecture == "mobilefacenet"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=null"], "model is missing"),
        (["output=null"], "output is missing"),
        (["format=onx"], "format must be one of onnx, arcface_torch, safetensors, pack, got 'onx'"),
        (["format=[]"], "format is an empty list"),
        (["format=arcface_torch"], "arcface_torch is written to a file that ends in .pth or .pt"),
        (["format=pack"], "pack is written to a folder"),
        (["format=[onnx,safetensors]"], "onnx and safetensors is written to a folder"),
        (["output=x.safetensors"], "safetensors is written to a folder"),
        (["format=3"], "got 3"),
        (["output=${model}/x", "format=onnx"], "is written to a file that ends in .onnx"),
        (["output=/nowhere/x", "format=pack"], "format=pack needs detector_file=FILE.onnx"),
        (["output=/nowhere/x.pth"], "width=0.25; that of arcface_torch has width=1.0"),
        (["model=/nowhere/m.pth"], "/nowhere/m.pth does not exist"),
        (["model_path=x"], "Unknown key 'model_path'. Did you mean 'model'?"),
        (["faces=/nowhere"], "/nowhere does not exist"),
        (["max_faces=true", "faces=x"], "max_faces must be positive, got True"),
        (["output=/nowhere/x", "format=pack", "detector_file=5"], "5 does not exist"),
        (["max_faces=0", "faces=x"], "max_faces must be positive, got 0"),
    ],
)
def test_bad_input(
    overrides: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["export", f"model={MODEL}", f"output={tmp_path / 'out' / 'x.onnx'}", *overrides])
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())
