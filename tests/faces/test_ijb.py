from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from faces.pictures import picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.crop import TEMPLATE, align
from facegeom_lit.faces.ijb import read_embeddings, read_ijb
from facegeom_lit.faces.template_set import TemplateSet

LANDMARKS = TEMPLATE * 2 + 20
MEMBERS = [("1.jpg", 7, 100), ("2.jpg", 7, 101), ("3.jpg", 9, 101), ("4.jpg", 12, 102)]


@pytest.fixture
def ijb(tmp_path: Path) -> Path:
    root, meta = tmp_path / "IJBC", tmp_path / "IJBC" / "meta"
    meta.mkdir(parents=True)
    (root / "loose_crop").mkdir()
    points = " ".join(f"{value:.4f}" for value in LANDMARKS.flatten())
    for seed, (name, _, _) in enumerate(MEMBERS):
        Image.fromarray(picture(seed, 280)).save(root / "loose_crop" / name, quality=95)
    (meta / "ijbc_face_tid_mid.txt").write_text(
        "".join(f"{name} {template} {medium}\n" for name, template, medium in MEMBERS)
    )
    (meta / "ijbc_name_5pts_score.txt").write_text(
        "".join(f"{row[0]} {points} 0.{9 - i}\n" for i, row in enumerate(MEMBERS))
    )
    (meta / "ijbc_template_pair_label.txt").write_text("7 9 1\n7 12 0\n12 9 0\n")
    (meta / "ijbc_1N_gallery_G1.csv").write_text("TEMPLATE_ID,SUBJECT_ID,F\n7,1,x\n7,1,y\n")
    (meta / "ijbc_1N_gallery_G2.csv").write_text("TEMPLATE_ID,SUBJECT_ID\n12,2\n")
    (meta / "ijbc_1N_probe_mixed.csv").write_text("TEMPLATE_ID,SUBJECT_ID\n9,1\n12,2\n")
    return root


def test_ijb(ijb: Path) -> None:
    found = read_ijb(ijb)
    assert found.name == "ijbc"
    assert found.templates.tolist() == [7, 7, 9, 12]
    assert found.media.tolist() == [100, 101, 101, 102]
    assert found.pairs.tolist() == [[7, 9], [7, 12], [12, 9]]
    assert found.same.tolist() == [True, False, False]
    assert found.scores is not None
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.8, 0.7, 0.6]))
    assert [rows.tolist() for rows in found.galleries] == [[[7, 1]], [[12, 2]]]
    assert found.probes is not None
    assert found.probes.tolist() == [[9, 1], [12, 2]]
    assert found.embeddings is None
    assert repr(found) == "TemplateSet('ijbc', 3 pairs of 3 templates, 4 images)"
    dtypes = {found.templates.dtype, found.media.dtype, found.pairs.dtype, found.probes.dtype}
    assert dtypes == {torch.int64}


def test_loose_crops_are_aligned_as_they_are_read(ijb: Path) -> None:
    faces = read_ijb(ijb).faces
    assert faces is not None
    assert faces.identities == ["template 7", "template 7", "template 9", "template 12"]
    photo = np.asarray(Image.open(ijb / "loose_crop" / "3.jpg").convert("RGB"))
    np.testing.assert_array_equal(faces.image(2), align(photo, LANDMARKS))
    (ijb / "loose_crop" / "3.jpg").write_bytes(b"no image")
    with pytest.raises(FaceGeomError, match=r"loose_crop/3\.jpg is not a readable image"):
        faces.image(2)


def test_aligned_crops_and_ijbb(ijb: Path) -> None:
    crops = ijb / "crops"
    crops.mkdir()
    for name, _, _ in MEMBERS:
        Image.fromarray(picture(5)).save(crops / name.replace(".jpg", ".png"))
    for file in (ijb / "meta").iterdir():
        file.rename(file.with_name(file.name.replace("ijbc", "ijbb").replace("_G", "_S")))
    (ijb / "meta" / "ijbb_name_5pts_score.txt").unlink()
    found = read_ijb(ijb / "meta", crops)
    assert found.name == "ijbb"
    assert found.scores is None
    assert len(found.galleries) == 2
    assert found.faces is not None
    assert found.faces.name_of(3) == str(crops / "4.png")
    with pytest.raises(FaceGeomError, match=r"5pts_score\.txt does not exist: without landmarks"):
        read_ijb(ijb)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_given_embeddings(ijb: Path, suffix: str) -> None:
    values = np.arange(8.0).reshape(4, 2)
    save = np.save if suffix == ".npy" else np.savez
    save(ijb / f"model{suffix}", values)
    found = read_ijb(ijb, embeddings=ijb / f"model{suffix}")
    assert found.faces is None
    assert found.embeddings is not None
    assert found.embeddings.dtype == torch.float32
    assert found.embeddings.tolist() == values.tolist()
    save(ijb / f"model{suffix}", values[:3])
    with pytest.raises(FaceGeomError, match="ijbc: 3 embeddings for 4 images of the template list"):
        read_ijb(ijb, embeddings=ijb / f"model{suffix}")


def test_embeddings_that_are_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=np.ones((1, 2)), b=np.ones((1, 2)))
    np.save(tmp_path / "flat.npy", np.ones(3))
    np.save(tmp_path / "nan.npy", np.array([[1.0], [np.nan]]))
    np.save(tmp_path / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "zip.npz").write_bytes(b"PK\x03\x04 cut short")
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (9000000000000, 512), }"
    (tmp_path / "huge.npy").write_bytes(
        b"\x93NUMPY\x01\x00v\x00" + header.ljust(117).encode() + b"\n"
    )
    for name, message in (
        ("two.npz", r"holds the arrays \['a', 'b'\]; keep one"),
        ("flat.npy", r"has shape \(3,\)"),
        ("nan.npy", "1 rows hold a value that is not finite, the first is row 1"),
        ("objects.npy", "no array of embeddings"),
        ("text.npy", "no array of embeddings"),
        ("zip.npz", "no array of embeddings"),
        ("huge.npy", "no array of embeddings"),
        ("none.npy", "no array of embeddings"),
    ):
        with pytest.raises(FaceGeomError, match=message):
            read_embeddings(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("ijbc_face_tid_mid.txt", "2.jpg 7 101", "2.jpg 7", "line 2: expected IMAGE TEMPLATE MED"),
        ("ijbc_face_tid_mid.txt", "2.jpg 7", "2.jpg x", "line 2: expected IMAGE TEMPLATE MEDIUM"),
        ("ijbc_face_tid_mid.txt", "2.jpg 7", "2.jpg " + "7" * 30, "line 2: expected IMAGE TEMPL"),
        ("ijbc_face_tid_mid.txt", "4.jpg 12 102\n", "", "has 4 rows, the template list 3 images"),
        ("ijbc_name_5pts_score.txt", "3.jpg", "5.jpg", "line 3: '5.jpg', but .* has '3.jpg' there"),
        ("ijbc_name_5pts_score.txt", " 0.7", "", "line 3: expected IMAGE and 11 finite numbers"),
        ("ijbc_name_5pts_score.txt", " 0.7", " nan", "line 3: expected IMAGE and 11 finite"),
        ("ijbc_template_pair_label.txt", "7 12 0", "7 12", "Row #2: Expected 3 columns"),
        ("ijbc_template_pair_label.txt", "7 12 0", "7 x 0", "is no list of TEMPLATE TEMPLATE"),
        ("ijbc_template_pair_label.txt", "7 12 0", "7 12 2", "line 2: the label 2 is neither"),
        (
            "ijbc_template_pair_label.txt",
            "7 12 0",
            "7 13 0",
            r"row 2 of the pair list names template 13, which has no image \(1 such rows\)",
        ),
        ("ijbc_1N_gallery_G2.csv", "12,2", "13,2", "row 1 of gallery 2 names template 13"),
        ("ijbc_1N_gallery_G1.csv", "7,1,y", "7,2,y", "template 7 has two subjects"),
        ("ijbc_1N_probe_mixed.csv", "9,1", "9", "line 2: expected TEMPLATE_ID,SUBJECT_ID"),
        ("ijbc_1N_probe_mixed.csv", "9,1\n12,2\n", "", "has no rows below its header"),
    ],
)
def test_faults_are_named(ijb: Path, name: str, old: str, new: str, message: str) -> None:
    file = ijb / "meta" / name
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(FaceGeomError, match=message):
        read_ijb(ijb)


def test_missing_files_are_named(ijb: Path, tmp_path: Path) -> None:
    (ijb / "loose_crop" / "2.jpg").unlink()
    with pytest.raises(FaceGeomError, match=r"1 of 4 images are not in .*loose_crop: 2\.jpg"):
        read_ijb(ijb)
    (ijb / "meta" / "ijbc_template_pair_label.txt").unlink()
    with pytest.raises(FaceGeomError, match=r"pair_label\.txt is no list"):
        read_ijb(ijb, embeddings=_ones(tmp_path / "e.npy"))
    with pytest.raises(FaceGeomError, match="holds no list"):
        read_ijb(tmp_path)


def _ones(path: Path) -> Path:
    np.save(path, np.ones((4, 2)))
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(["face_tid_mid.txt", "template_pair_label.txt", "name_5pts_score.txt"])
    | st.sampled_from(["1N_gallery_G1.csv", "1N_probe_mixed.csv"]),
    st.binary() | st.text('17 0-,\n\t."x', max_size=40).map(str.encode),
)
def test_no_content_ends_in_another_error(ijb: Path, name: str, content: bytes) -> None:
    file = ijb / "meta" / f"ijbc_{name}"
    kept = file.read_bytes()
    file.write_bytes(kept + content)
    with suppress(FaceGeomError):
        read_ijb(ijb)
    file.write_bytes(content)
    with suppress(FaceGeomError):
        read_ijb(ijb)
    file.write_bytes(kept)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20))
def test_pairs_must_have_images(pairs: list[tuple[int, int]]) -> None:
    ids = torch.tensor([1, 3, 5])
    make: Callable[[], TemplateSet] = lambda: TemplateSet(  # noqa: E731
        "x", None, torch.ones(3, 2), ids, ids, torch.tensor(pairs), torch.ones(len(pairs))
    )
    wrong = [i for i, pair in enumerate(pairs, 1) if not {*pair} <= {1, 3, 5}]
    if not wrong:
        assert len(make()) == len(pairs)
        return
    with pytest.raises(FaceGeomError, match=rf"row {wrong[0]} .*\({len(wrong)} such rows\)"):
        make()
