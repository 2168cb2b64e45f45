from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from faces.pictures import picture
from PIL import Image

from facegeom_lit.commands.cli import main
from facegeom_lit.evaluation import sharded_embedding
from facegeom_lit.evaluation.embedding_file import read_embedding_file
from facegeom_lit.faces.opening import open_evaluation
from facegeom_lit.galleries import open_gallery
from facegeom_lit.models import FaceModel, ModelCard, load_face_model, save_face_model
from facegeom_lit.models.backbones import build_backbone
from facegeom_lit.models.embed import embed, model_hash

PATHS = [f"p{person}/{image}.png" for person in range(4) for image in range(2)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, and two photos of each of four people, of whose ages some are known."""
    tmp_path = tmp_path_factory.mktemp("embed")
    torch.manual_seed(0)
    arguments = {"width": 0.25, "dimension": 32}
    backbone = build_backbone("mobilefacenet", **arguments)
    card = ModelCard("small", "mobilefacenet", 32, arguments)
    save_face_model(FaceModel(backbone, card), tmp_path / "model")
    for seed, path in enumerate(PATHS):
        (tmp_path / "faces" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(seed, 112)).save(tmp_path / "faces" / path)
    return tmp_path


def run(place: Path, output: str, *overrides: str) -> int:
    sources = [f"model={place / 'model'}", f"data={place / 'faces'}", f"output={place / output}"]
    return main(["embed", *sources, f"paths.output={place / 'outputs'}", *overrides])


def expected(place: Path, flip: bool = True) -> np.ndarray:
    model, faces = load_face_model(place / "model"), open_evaluation(place / "faces")
    found = embed(model, faces)  # type: ignore[arg-type]
    if flip:
        found = (found + embed(model, faces, mirrored=True)) / 2  # type: ignore[arg-type]
    return found.numpy()


@pytest.mark.parametrize("suffix", ["safetensors", "parquet"])
def test_a_gallery(place: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = f"new.{suffix}"
    assert run(place, output) == 0
    lines = capsys.readouterr().out.splitlines()
    digest = hashlib.sha256((place / output).read_bytes()).hexdigest()
    assert lines[-3:] == [
        "embeddings: 8 x 32 float32",
        f"sha256: {digest}",
        f"output: {place / output}",
    ]
    gallery = open_gallery(place / output)
    np.testing.assert_allclose(gallery.rows(0, 8), expected(place), rtol=1e-4, atol=1e-5)
    assert gallery.model == model_hash(load_face_model(place / "model"))
    faces = open_evaluation(place / "faces")
    assert gallery.facts == {
        "card": "small",
        "distance": "cosine",
        "flip": "true",
        "normalized": "false",
        "set": faces.hash,  # type: ignore[union-attr]
    }
    labels = gallery.labels()
    assert labels is not None
    assert labels.tolist() == [f"p{person}" for person in range(4) for _ in range(2)]
    assert gallery.column("path").tolist() == PATHS


def test_a_file_of_embeddings_normalised_and_halved(place: Path) -> None:
    assert run(place, "new.npz", "flip=false", "normalize=true", "dtype=float16") == 0
    gallery = open_gallery(place / "new.npz")
    wanted = expected(place, flip=False)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(gallery.rows(0, 8), wanted, atol=1e-3)
    assert gallery.dtype == np.float16
    assert (gallery.facts["flip"], gallery.facts["normalized"]) == ("false", "true")
    file = read_embedding_file(place / "new.npz")
    assert set(file.models) == {"small"}
    assert file.people == ("p0", "p1", "p2", "p3")


def test_attributes_and_parts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded_embedding, "PART", 3)
    table = [f"{path},{path[:2]},{'' if row == 2 else 20 + row}" for row, path in enumerate(PATHS)]
    (place / "ages.csv").write_text("\n".join(["path,identity,age", *table]) + "\n")
    data = f"{{path: {place / 'faces'}, table: {place / 'ages.csv'}, attributes: true}}"
    assert run(place, "aged.npz", f"data={data}", f"paths.cache={place / 'parts'}") == 0
    gallery = open_gallery(place / "aged.npz")
    np.testing.assert_array_equal(gallery.column("age"), [20, 21, np.nan, 23, 24, 25, 26, 27])
    np.testing.assert_allclose(gallery.rows(0, 8), expected(place), rtol=1e-4, atol=1e-5)
    assert len(list((place / "parts" / "embeddings").iterdir())) == 6  # three, and mirrored


def test_pairs_without_names_have_no_identity(place: Path) -> None:
    rows = ["path_a,path_b,same", f"{PATHS[0]},{PATHS[1]},1", f"{PATHS[2]},{PATHS[4]},0"]
    (place / "pairs.csv").write_text("\n".join(rows) + "\n")
    pairs = f"{{path: {place / 'faces'}, pairs: {place / 'pairs.csv'}}}"
    assert main(["convert", f"faces={pairs}", f"output={place / 'pairs.bin'}"]) == 0
    assert run(place, "pairs.npy", f"data={place / 'pairs.bin'}") == 0
    gallery = open_gallery(place / "pairs.npy")
    assert (gallery.count, gallery.labels()) == (4, None)


def test_again(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "again.npy") == 0
    first = capsys.readouterr().out.splitlines()
    assert run(place, "again.npy") == 0
    assert capsys.readouterr().out.splitlines() == first[-3:]
    with pytest.raises(SystemExit, match="1"):
        run(place, "again.npy", "flip=false")
    assert "exists already, and is not what this command would write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["dtype=int8"], "dtype must be one of float32, float16"),
        (["output=a.csv"], "must end in one of"),
        (["model=[a,b]"], "model must name one, got 2"),
        (["embeddings=a.npz"], "embeddings are there already"),
    ],
)
def test_what_is_refused(
    place: Path, overrides: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        run(place, "refused.npy", *overrides)
    assert message in capsys.readouterr().err


def test_help_names_the_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", "--help"]) == 0
    assert "normalize: false" in capsys.readouterr().out
