from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from faces.pictures import picture

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces import sizes
from facegeom_lit.faces.codec import encode
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.opening import notes_of, open_evaluation, open_faces
from facegeom_lit.faces.pairs import PairSet
from facegeom_lit.faces.parquet import write_parquet
from facegeom_lit.faces.recordio_writer import write_recordio
from facegeom_lit.faces.template_set import TemplateSet
from facegeom_lit.faces.verification_bin import write_bin

MakeFolder = Callable[..., Path]
PAIRS = "path_a,path_b,same\nada/0.png,ada/1.png,1\nada/0.png,bob/0.png,0\n"


@pytest.fixture
def root(make_folder: MakeFolder) -> Path:
    """Identity folders: ada has two images, bob has one."""
    return make_folder({"ada": 2, "bob": 1})


def pixels(faces: FaceSet) -> np.ndarray:
    return np.stack([faces.image(row) for row in range(len(faces))])


def test_every_format_gives_the_same_faces(root: Path, tmp_path: Path) -> None:
    folders = open_faces(root)
    assert folders.identities == ["ada", "ada", "bob"]
    write_parquet(folders, tmp_path / "set")
    write_recordio(folders, tmp_path / "rec")
    table = {"image": [folders.encoded(i) for i in range(3)], "who": folders.identities}
    (tmp_path / "parquet").mkdir()
    pq.write_table(pa.table(table), tmp_path / "parquet" / "part.parquet")
    (tmp_path / "labels.csv").write_text(
        "path,identity\nada/0.png,ada\nada/1.png,ada\nbob/0.png,bob\n"
    )
    opened = [
        open_faces(tmp_path / "set"),
        open_faces(tmp_path / "rec"),
        open_faces(tmp_path / "rec" / "train.rec"),
        open_faces(tmp_path / "parquet", identity="who"),
        open_faces({"path": tmp_path / "parquet" / "part.parquet", "identity": "who"}),
        open_faces(tmp_path / "labels.csv"),
        open_faces({"path": root, "table": tmp_path / "labels.csv"}),
    ]
    for faces in opened:
        np.testing.assert_array_equal(pixels(faces), pixels(folders))
        assert faces.labels.tolist() == [0, 0, 1]
        assert notes_of(faces) == ()


def test_the_choice_is_noted_and_can_be_made(root: Path) -> None:
    (root / "labels.csv").write_text("path,identity\nada/0.png,eve\n")
    pq.write_table(
        pa.table({"image": [encode(picture(1), "png", 95)], "identity": ["kim"]}),
        root / "part.parquet",
    )
    faces = open_faces(root)
    assert faces.classes == ["kim"]
    assert notes_of(faces) == (f"{root} was read as kind=parquet; kind=labels would fit too",)
    assert notes_of(faces.select([0])) == notes_of(faces)
    labels = open_faces({"path": root, "kind": "labels"})
    assert labels.classes == ["eve"]
    assert open_faces({"path": root, "kind": "folders"}).classes == ["ada", "bob"]


def test_images_below_a_table(root: Path) -> None:
    """A table beside the folder of the images, as published crops come."""
    (root.parent / "labels.csv").write_text("path,identity\nada/0.png,ada\nbob/0.png,bob\n")
    faces = open_faces(root.parent)
    assert faces.name_of(0) == str(root / "ada" / "0.png")
    note = f"1 images of {root} are in no row of {root.parent / 'labels.csv'}, e.g. ada/1.png"
    assert notes_of(faces) == (note,)


def test_a_table_without_identities_is_no_folder_of_them(root: Path) -> None:
    (root / "labels.csv").write_text("path,light\nada/0.png,3\n")
    with pytest.raises(FaceGeomError, match=r"labels\.csv has no column 'identity'"):
        open_faces(root)


def test_names_that_are_not_utf8(root: Path) -> None:
    (root / "ada" / "0.png").rename(os.fsdecode(bytes(root / "ada") + b"/\xff.png"))
    (root / "pairs.csv").write_text(PAIRS)
    for opened in (open_faces, open_evaluation):
        with pytest.raises(FaceGeomError, match=r"is not UTF-8\. Rename the file"):
            opened(root)


def test_nothing_that_fits(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"nothing that is read here.*\n  face_set: card\.json"):
        open_faces(tmp_path)
    with pytest.raises(FaceGeomError, match=r"bin: a file \*\.bin\n  ijb: meta/\*_face_tid_mid"):
        open_evaluation(tmp_path)
    with pytest.raises(FaceGeomError, match=r"nowhere does not exist"):
        open_faces(tmp_path / "nowhere")
    with pytest.raises(FaceGeomError, match=r"has no key 'pth'\. Known: path, kind, pairs"):
        open_faces({"pth": tmp_path})
    with pytest.raises(FaceGeomError, match="has no path"):
        open_evaluation({"protocol": "FP"})
    with pytest.raises(FaceGeomError, match="kind=lfw is none of bin, ijb, cfp, pairs, face_set"):
        open_evaluation({"path": tmp_path, "kind": "lfw"})
    with pytest.raises(FaceGeomError, match="with protocol is nothing that is read here"):
        open_evaluation({"path": tmp_path, "protocol": "FP"})
    with pytest.raises(FaceGeomError, match=r"pairs: .*; reads images, pairs$"):
        open_evaluation({"path": tmp_path, "kind": "pairs", "table": "x.csv"})
    with pytest.raises(FaceGeomError, match=r"holds none of pairs\.csv"):
        open_evaluation({"path": tmp_path, "kind": "pairs"})
    with pytest.raises(FaceGeomError, match=r"holds no labels\.csv"):
        open_faces({"path": tmp_path, "kind": "labels"})


def test_pairs(root: Path, tmp_path: Path) -> None:
    (root / "pairs.csv").write_text(PAIRS)
    (root / "pairsDevTest.txt").write_text("1\nada\t0\t1\nada\t0\tbob\t0\n")
    pairs = open_evaluation(root)
    assert isinstance(pairs, PairSet)
    assert pairs.name == "faces"
    assert pairs.same.tolist() == [True, False]
    assert notes_of(pairs)[1:] == ("lists that were not read: pairsDevTest.txt",)
    (root / "pairsDevTest.txt").unlink()
    (root / "pairs.csv").rename(tmp_path / "own.csv")
    for source in (
        {"path": root, "pairs": tmp_path / "own.csv"},
        {"pairs": tmp_path / "own.csv"},
        {"path": tmp_path / "own.csv", "images": root},
        {"path": tmp_path / "own.csv", "images": root.name},
        tmp_path / "own.csv",
    ):
        again = open_evaluation(source, "again")
        assert isinstance(again, PairSet)
        assert again.name == "again"
        assert again.faces.name_of(0) == str(root / "ada" / "0.png")
    write_bin(pairs, tmp_path / "own.bin")
    binary = open_evaluation(tmp_path / "own.bin")
    assert isinstance(binary, PairSet)
    assert binary.name == "own"
    np.testing.assert_array_equal(pixels(binary.faces), pixels(pairs.faces))
    assert torch.equal(binary.same, pairs.same)
    with pytest.raises(FaceGeomError, match="nothing that is read here"):
        open_faces(tmp_path / "own.bin")


def test_templates_and_faces(root: Path, tmp_path: Path) -> None:
    faces = open_evaluation(root, "people")
    assert isinstance(faces, FaceSet)
    (root / "meta").mkdir()
    (root / "meta" / "ijbb_face_tid_mid.txt").write_text("0.png 1 1\n1.png 2 2\n")
    (root / "meta" / "ijbb_template_pair_label.txt").write_text("1 2 1\n")
    np.save(root / "model.npy", np.ones((2, 3)))
    templates = open_evaluation({"path": root, "images": "ada"}, "ijb")
    assert isinstance(templates, TemplateSet)
    assert templates.name == "ijb"
    assert notes_of(templates) == (f"lists from {root / 'meta'}", f"crops of {root / 'ada'}")
    given = open_evaluation({"path": root, "embeddings": "model.npy"})
    assert isinstance(given, TemplateSet)
    assert given.faces is None
    assert notes_of(given)[1] == f"embeddings from {root / 'model.npy'}"


def test_sizes(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_folder({"ada": 3}, size=64)
    (root / "pairs.csv").write_text("path_a,path_b,same\nada/0.png,ada/1.png,1\n")
    for opened in (open_faces, open_evaluation):
        with pytest.raises(FaceGeomError, match=r"64×64.*align them with `facegeom crop`"):
            opened(root)
        assert opened(root, verify=False)
    monkeypatch.setattr(sizes, "ALL_BELOW", 2)
    monkeypatch.setattr(sizes, "SAMPLE", 2)
    with pytest.raises(FaceGeomError, match="2 of 2 images are not 112×112"):
        open_faces(root)
    big = make_folder({"bob": 3})
    (big / "ada" / "0.png").unlink()
    faces = sizes.check_crops(open_faces(big, verify=False).where(identities=["bob"]))
    assert notes_of(faces) == ("2 of 3 images were checked beforehand, evenly spread",)


def test_real_faces(real_data: Path, tmp_path: Path) -> None:
    people = open_faces(real_data / "faces" / "att", verify=False)
    assert (len(people), len(people.classes)) == (400, 40)
    assert people.image(0).shape == (112, 92, 3)
    with pytest.raises(FaceGeomError, match=r"400 of 400 .*1\.pgm with 112×92.*`facegeom crop`"):
        open_faces(real_data / "faces" / "att")
    lights = open_evaluation(real_data / "faces" / "yale_b", verify=False)
    assert isinstance(lights, FaceSet)
    assert (len(lights), len(lights.classes)) == (2414, 38)
    lines = ["path_a,path_b,same"]
    lines += [f"s{i}/1.pgm,s{i}/2.pgm,1\ns{i}/1.pgm,s{i % 40 + 1}/3.pgm,0" for i in range(1, 41)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    pairs = open_evaluation(
        {"path": real_data / "faces" / "att", "pairs": tmp_path / "pairs.csv"}, verify=False
    )
    assert isinstance(pairs, PairSet)
    assert (len(pairs), len(pairs.faces), len(pairs.faces.classes)) == (80, 120, 40)
    assert pairs.named
    assert pairs.folds.bincount().tolist() == [8] * 10
