from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from faces.pictures import picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.celeba import ATTRIBUTES, IDENTITIES, PARTITION, read_celeba

NAMES = [f"{i:06d}.jpg" for i in range(1, 5)]
LISTS = {
    ATTRIBUTES: "4\nSmiling Eyeglasses \n000001.jpg -1  1\n000002.jpg  1 -1\n"
    "000003.jpg -1 -1 \n000004.jpg  1  1\n",
    IDENTITIES: "000001.jpg 2880\n000002.jpg 2937\n000003.jpg 2880\n000004.jpg 5\n",
    PARTITION: "000001.jpg 0\n000002.jpg 1\n000003.jpg 0\n000004.jpg 2\n",
}


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    for name, text in LISTS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "img_align_celeba").mkdir()
    for seed, name in enumerate(NAMES):
        Image.fromarray(picture(seed)).save(tmp_path / "img_align_celeba" / name)
    return tmp_path


def test_celeba(celeba: Path) -> None:
    faces = read_celeba(celeba)
    assert faces.identities == ["2880", "2937", "2880", "5"]
    assert faces.attributes == ("Smiling", "Eyeglasses")
    assert faces.attribute("Smiling").tolist() == [-1, 1, -1, 1]
    assert faces.attribute("Eyeglasses").tolist() == [1, -1, -1, 1]
    assert faces.where(split="train").identities == ["2880", "2880"]
    assert len(faces.where(split="val")) == len(faces.where(split="test")) == 1
    assert faces.name_of(3) == str(celeba / "img_align_celeba" / "000004.jpg")


def test_published_folders_and_other_suffixes(celeba: Path) -> None:
    for folder, name in (("Anno", ATTRIBUTES), ("Anno", IDENTITIES), ("Eval", PARTITION)):
        (celeba / folder).mkdir(exist_ok=True)
        (celeba / name).rename(celeba / folder / name)
    (celeba / "crops").mkdir()
    for name in NAMES:
        file = celeba / "img_align_celeba" / name
        Image.open(file).save(celeba / "crops" / f"{file.stem}.png")
        file.unlink()
    (celeba / "img_align_celeba").rmdir()
    assert read_celeba(celeba).name_of(0) == str(celeba / "crops" / "000001.png")
    assert len(read_celeba(celeba, celeba / "crops")) == 4


def test_images_as_published_are_no_crops(celeba: Path) -> None:
    Image.new("RGB", (178, 218)).save(celeba / "img_align_celeba" / NAMES[1])
    with pytest.raises(FaceGeomError, match=r"000002\.jpg with 218×178.*`facegeom crop`"):
        read_celeba(celeba)
    assert read_celeba(celeba, verify=False).image(1).shape == (218, 178, 3)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (ATTRIBUTES, "4\n", "5\n", "has 4 rows of images, but its first line promises 5"),
        (ATTRIBUTES, "4\n", "4" * 5000 + "\n", "must begin with the number of images"),
        (ATTRIBUTES, "4\nSm", "Sm", "must begin with the number of images and a line of names"),
        (ATTRIBUTES, "1 -1", "1 0", "line 4: expected an image and 2 values of -1 or 1"),
        (ATTRIBUTES, "1 -1", "1", "line 4: expected an image and 2 values"),
        (ATTRIBUTES, "000002", "000001", r"line 4: 000001\.jpg stands there a second time"),
        (ATTRIBUTES, "000002", "000009", rf"{ATTRIBUTES} lacks 1 images of {IDENTITIES}: 000002"),
        (PARTITION, "000003.jpg 0\n", "", rf"{PARTITION} lacks 1 .*: 000003\.jpg \(row 3\)"),
        (IDENTITIES, "000003.jpg 2880\n", "", rf"{IDENTITIES} lacks 1 .*: 000003\.jpg \(row 3\)"),
        (PARTITION, "jpg 2", "jpg 3", r"row 4: 000004\.jpg has '3', not 0, 1 or 2"),
        (IDENTITIES, " 5", "", "line 4: expected IMAGE NUMBER, got '000004.jpg'"),
        (IDENTITIES, LISTS[IDENTITIES], "", "names no image"),
    ],
)
def test_faults_are_named(celeba: Path, name: str, old: str, new: str, message: str) -> None:
    (celeba / name).write_text(LISTS[name].replace(old, new))
    with pytest.raises(FaceGeomError, match=message):
        read_celeba(celeba)


def test_images_that_disagree_with_the_lists(celeba: Path) -> None:
    extra = celeba / "img_align_celeba" / "000009.jpg"
    extra.write_bytes((celeba / "img_align_celeba" / NAMES[0]).read_bytes())
    with pytest.raises(FaceGeomError, match=r"1 images of .* stand in no list .*000009\.jpg"):
        read_celeba(celeba)
    extra.unlink()
    (celeba / "img_align_celeba" / NAMES[2]).unlink()
    with pytest.raises(FaceGeomError, match=r"1 of 4 images are not in .*: 000003\.jpg"):
        read_celeba(celeba)
    (celeba / PARTITION).unlink()
    with pytest.raises(FaceGeomError, match=rf"{PARTITION} is not in .*all three"):
        read_celeba(celeba)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(list(LISTS)),
    st.binary() | st.text("120 -.\n\tjpg", max_size=40).map(str.encode),
)
def test_no_content_ends_in_another_error(celeba: Path, name: str, content: bytes) -> None:
    kept = (celeba / name).read_bytes()
    for text in (kept + content, content):
        (celeba / name).write_bytes(text)
        with suppress(FaceGeomError):
            read_celeba(celeba, verify=False)
    (celeba / name).write_bytes(kept)
