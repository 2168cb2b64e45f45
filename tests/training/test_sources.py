from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faces.pictures import picture
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from PIL import Image

from facegeom_lit.attributes import attribute
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.opening import open_faces
from facegeom_lit.faces.recordio_writer import write_recordio
from facegeom_lit.resources import resource
from facegeom_lit.training.sources import RunData
from facegeom_lit.training.splits import split_by_column, split_identities


def run_data(cache: Path, *overrides: str) -> RunData:
    """The faces of `python train.py attribute=contrast OVERRIDES`."""
    with initialize_config_dir(str(resource("conf").resolve()), version_base="1.3"):
        fixed = [f"paths.cache={cache}", "attribute=contrast", "evaluation.measured=[contrast]"]
        cfg = compose("config", [*fixed, *overrides])
    return instantiate(cfg.data)(cfg, attribute("contrast"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight people with three images each."""
    for row in range(24):
        file = tmp_path / "photos" / f"p{row // 3}" / f"{row % 3}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(row)).save(file)
    return tmp_path / "photos"


def test_folder_opens_every_format(photos: Path, tmp_path: Path) -> None:
    write_recordio(open_faces(photos), tmp_path / "rec")
    small = ["data.lattice_nodes=2", "data.judge_people=2"]
    folders, records = (
        run_data(tmp_path, "data=folder", f"data.root={root}", *small)
        for root in (photos, tmp_path / "rec")
    )
    assert folders.train.classes == ["p0", "p2", "p4", "p5", "p6", "p7"]
    assert folders.evaluation["verification"].classes == ["p1", "p3"]
    assert folders.lattice.curves["contrast"].shape == (4, 3)
    assert folders.augment is not None
    assert records.train.classes == ["0", "2", "4", "5", "6", "7"]
    assert records.lattice.curves["contrast"].shape == (4, 3)
    np.testing.assert_array_equal(records.train.image(5), folders.train.image(5))


def test_a_mapping_says_what_is_read(photos: Path, tmp_path: Path) -> None:
    table = "".join(f"p{i // 3}/{i % 3}.png,q{i // 6}\n" for i in range(24))
    (photos / "labels.csv").write_text("path,identity\n" + table)
    found = run_data(tmp_path, "data=folder", f"data.root={photos}", "data.lattice_nodes=2")
    assert found.train.classes == ["q0", "q2"]
    root = f"{{path: {photos}, kind: folders}}"
    found = run_data(tmp_path, "data=folder", f"data.root={root}", "data.lattice_nodes=2")
    assert found.train.classes == ["p0", "p2", "p4", "p6"]


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    """Seven people with two images each and one with a single image."""
    root = tmp_path / "celeba"
    (root / "img_align_celeba").mkdir(parents=True)
    names = [f"{row:06d}.jpg" for row in range(15)]
    for row, name in enumerate(names):
        Image.fromarray(picture(row)).save(root / "img_align_celeba" / name)
    people = [row // 2 for row in range(15)]
    rows: dict[str, Any] = {
        "identity_CelebA.txt": [f"{n} {who}" for n, who in zip(names, people, strict=True)],
        "list_attr_celeba.txt": ["15", "Smiling", *(f"{n} -1" for n in names)],
        "list_eval_partition.txt": [
            f"{n} {0 if who < 3 or who == 7 else 1 if who == 3 else 2}"
            for n, who in zip(names, people, strict=True)
        ],
    }
    for name, lines in rows.items():
        (root / name).write_text("\n".join(lines) + "\n")
    return root


def test_celeba_trains_and_judges_by_its_partition(celeba: Path, tmp_path: Path) -> None:
    found = run_data(tmp_path, "data=celeba", f"data.root={celeba}", "data.lattice_nodes=2")
    assert found.train.classes == ["0", "1", "2"]
    assert found.evaluation["verification"].classes == ["4", "5", "6"]
    assert found.notes == ("split: train trains, test judges",)
    few = run_data(
        tmp_path,
        "data=celeba",
        f"data.root={celeba}",
        "data.lattice_nodes=2",
        "data.judge_people=2",
    )
    assert few.evaluation["verification"].classes == ["4", "5"]
    assert "split: 1 people of test are left out, see data.judge_people" in few.notes


def test_splits_that_do_not_part_people(celeba: Path) -> None:
    file = celeba / "list_eval_partition.txt"
    file.write_text(file.read_text().replace("000001.jpg 0", "000001.jpg 2"))
    faces = open_faces(celeba)
    with pytest.raises(FaceGeomError, match=r"1 identities are both trained on .* in 'test'"):
        split_by_column(faces, ["train", "test"], 1, 500)
    with pytest.raises(FaceGeomError, match=r"has no split 'dev'\. It has: 'test', 'train', 'val'"):
        split_by_column(faces, ["train", "dev"], 1, 500)
    with pytest.raises(FaceGeomError, match=r"data\.splits must name .* got \['train'\]"):
        split_by_column(faces, ["train"], 1, 500)
    for splits in ("ab", 5):
        with pytest.raises(FaceGeomError, match=rf"data\.splits must name .* got {splits}"):
            split_by_column(faces, splits, 1, 500)
    with pytest.raises(FaceGeomError, match=r"has no split '1'"):
        split_by_column(faces, ["train", 1], 1, 500)
    for minimum in ("x", 0):
        with pytest.raises(FaceGeomError, match=r"data\.min_images must be a whole number"):
            split_by_column(faces, ["train", "test"], minimum, 500)


def test_columns_of_labelled_faces_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"data\.columns must name a column .* got 5"):
        run_data(tmp_path, "data=labelled", f"data.root={tmp_path}", "data.columns=5")
    with pytest.raises(FaceGeomError, match=r"The folder of faces 5 does not exist"):
        run_data(tmp_path, "data=labelled", "data.root=5", "+data.columns.contrast=contrast")


def test_training_on_curves(photos: Path, tmp_path: Path) -> None:
    counts = ["synthesis.curves.identities=2", "synthesis.curves.nodes=3"]
    few = ["synthesis.lattice.identities=2", "synthesis.lattice.nodes=2"]
    few += ["synthesis.verification.identities=2", "synthesis.verification.images_per_identity=2"]
    chosen = ["synthesis=renderer", "training.curves=2", *counts, *few]
    made = run_data(tmp_path, *chosen)
    assert made.curves is not None
    values = made.train.attribute("contrast")[made.curves]
    assert values.shape == (6, 3)
    assert (values.diff(dim=1) > 0).all()
    assert (made.train.labels[made.curves].diff(dim=1) == 0).all()

    rows = [f"p{i // 3}/{i % 3}.png,p{i // 3},{i % 3}" for i in range(24)]
    (photos / "table.csv").write_text("\n".join(["path,identity,light", *rows]))
    paths = [f"data.root={photos}", "data.table=table.csv", "data.images=."]
    columns = ["+data.columns.contrast=light", "data.max_span=2", "training.curves=2"]
    found = run_data(tmp_path, "data=labelled", *paths, *columns)
    assert found.curves is not None
    assert found.train.attribute("contrast")[found.curves].tolist() == [[0, 1, 2]] * 4


def test_an_image_on_both_sides_is_refused(photos: Path, celeba: Path, tmp_path: Path) -> None:
    (photos / "p1" / "2.png").write_bytes((photos / "p0" / "1.png").read_bytes())
    with pytest.raises(FaceGeomError, match=r"1 training images .*\n.*p0/1\.png = .*p1/2\.png"):
        run_data(tmp_path, "data=folder", f"data.root={photos}")
    assert not (tmp_path / "facesets").exists()
    images = celeba / "img_align_celeba"
    (images / "000000.jpg").write_bytes((images / "000009.jpg").read_bytes())
    with pytest.raises(FaceGeomError, match=r"000000\.jpg = .*000009\.jpg"):
        run_data(tmp_path, "data=celeba", f"data.root={celeba}")


def test_split_identities() -> None:
    faces = FaceSet.from_rows([{"identity": name, "path": name} for name in "abc"])
    with pytest.raises(FaceGeomError, match="leave 2 to train and 1 to judge"):
        split_identities(faces, 2)
