from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.folder import read_csv, read_folder
from facegeom_lit.faces.identities import check_identities, drop_small_identities
from facegeom_lit.faces.image_folder import ImageFolder

MakeFolder = Callable[..., Path]


def test_read_folder(make_folder: MakeFolder) -> None:
    faces = read_folder(make_folder({"bob": 2, "ada": 1}))
    assert faces.identities == ["ada", "bob", "bob"]
    assert faces.image(2).shape == (112, 112, 3)
    with pytest.raises(FaceGeomError, match=r"1 of 2 .* ada \(1\)\. .*data.min_images=2"):
        check_identities(faces)
    kept = drop_small_identities(faces, 2)
    check_identities(kept)
    assert kept.classes == ["bob"]
    with pytest.raises(FaceGeomError, match="has 3 images; the largest has 2"):
        drop_small_identities(faces, 3)


def test_links_are_followed_and_hidden_folders_are_not_entered(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    root = make_folder({"ada": 2, "bob": 2})
    (root / "ada" / ".thumbnails").mkdir()
    (root / "ada" / ".thumbnails" / "0.png").write_bytes((root / "ada" / "0.png").read_bytes())
    (root / "ada" / "more").symlink_to(root / "bob")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "ada").symlink_to(root / "ada")
    paths = ["ada/0.png", "ada/1.png", "ada/more/0.png", "ada/more/1.png"]
    assert read_folder(linked).table["path"].to_pylist() == paths
    assert ImageFolder(linked).find(["ada/more/1.jpg"], "a list") == ["ada/more/1.png"]


def test_a_comma_in_a_path_shifts_nothing(make_folder: MakeFolder) -> None:
    root = make_folder({"ada": 1})
    table = root.parent / "labels.csv"
    table.write_text("path,identity\nada/0.png,ada,\nada,1.png,ada\n")
    with pytest.raises(FaceGeomError, match=r"labels\.csv, line 3: more values than columns"):
        read_csv(root, table)


def test_folder_faults_are_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"nowhere does not exist\. Set data\.root"):
        read_folder(tmp_path / "nowhere")
    root = make_folder({"ada": 2})
    (root / "ada" / "notes.txt").write_text("x")
    with pytest.warns(UserWarning, match=r"1 files .* are left out, e\.g\. .*notes\.txt"):
        read_folder(root)
    (root / "ada" / "notes.txt").unlink()
    (root / "eve").mkdir()
    with pytest.raises(FaceGeomError, match="eve holds no image"):
        read_folder(root)
    (root / "eve" / "0.jpg").write_bytes(b"no image")
    with pytest.raises(FaceGeomError, match=r"eve/0\.jpg is not a readable image"):
        read_folder(root)
    with pytest.raises(FaceGeomError, match="no identity sub-folders"):
        read_folder(root / "ada")


def test_other_sizes_are_refused(make_folder: MakeFolder) -> None:
    root = make_folder({"ada": 3})
    for name, size in (("1", (96, 80)), ("2", (112, 96))):
        Image.new("RGB", size[::-1]).save(root / "ada" / f"{name}.png")
    message = r"2 of 3 images are not 112×112 .* first is .*ada/1\.png with 96×80\. .*aligned crops"
    with pytest.raises(FaceGeomError, match=message):
        read_folder(root)
    table = root.parent / "labels.csv"
    table.write_text("path,identity\nada/2.png,ada\n")
    with pytest.raises(FaceGeomError, match=r"1 of 1 .*ada/2\.png with 112×96"):
        read_csv(root, table)
    assert read_folder(root, verify=False).image(1).shape == (96, 80, 3)


def test_read_csv(make_folder: MakeFolder) -> None:
    root = make_folder({"ada": 2})
    table = root.parent / "labels.csv"
    table.write_text("path,identity,years,el,split\nada/0.png,ada,31,5,a\nada/1.png,ada,,6,b\n")
    faces = read_csv(root, table, {"age": "years", "el": "el"})
    assert faces.attribute("age")[0] == 31
    assert faces.attribute("age")[1].isnan()
    assert faces.attribute("el").tolist() == [5, 6]
    assert len(faces.where(split="b")) == 1


def test_missing_images_of_a_table_are_listed(make_folder: MakeFolder) -> None:
    root = make_folder({"ada": 1})
    rows = "".join(f"ada/{i}.png,ada\n" for i in range(13))
    (root.parent / "labels.csv").write_text(f"path,identity\n{rows}")
    with pytest.raises(
        FaceGeomError, match=r"line 3: .*1\.png does not exist\.\n.*line 4"
    ) as error:
        read_csv(root, root.parent / "labels.csv")
    assert str(error.value).endswith("10.png does not exist.\nand 2 more")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,identity\nada/0.png,ada\n",
            "no column 'years'. Separated by commas, it has: ",
        ),
        ("path,identity,years\nada/0.png,ada,old\n", "line 2: 'old' is not a finite number"),
        ("path,identity,years\nada/0.png,ada,nan\n", "line 2: 'nan' is not a finite number"),
        ("path,identity,years\nada/7.png,ada,1\n", r"line 2: the image .*7\.png does not exist"),
        ("path,identity,years\nada/0.png,,1\n", "line 2: path and identity must not be empty"),
        ("path,identity,years\n", "has no rows"),
        (f"path,identity,years\n{'x' * 200_000},ada,1\n", "no comma-separated values"),
        (f"path,identity,years\n{'x' * 5000},ada,1\n", "line 2: the image .* does not exist"),
    ],
)
def test_csv_faults_are_named(make_folder: MakeFolder, text: str, message: str) -> None:
    root = make_folder({"ada": 1})
    (root.parent / "labels.csv").write_text(text)
    with pytest.raises(FaceGeomError, match=message):
        read_csv(root, root.parent / "labels.csv", {"age": "years"})
