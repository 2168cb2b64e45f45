from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from faces.pictures import picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.cfp import read_cfp
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.pair_files import read_pairs
from facegeom_lit.faces.pairs import PairSet, default_folds

Write = Callable[..., Path]


@pytest.fixture
def write_images(tmp_path: Path) -> Callable[[Sequence[str], str], Path]:
    def write(names: Sequence[str], suffix: str = ".png", folder: str = "images") -> Path:
        for seed, name in enumerate(names):
            file = tmp_path / folder / f"{name}{suffix}"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture(seed, 8)).save(file)
        return tmp_path / folder

    return write


def named(pairs: PairSet) -> list[tuple[str, str, bool, int]]:
    """Each pair as (left, right, same, fold), by path below the folder of the images."""
    paths = pairs.faces.table["path"].to_pylist()
    sides = ([paths[row] for row in side.tolist()] for side in (pairs.left, pairs.right))
    return list(zip(*sides, pairs.same.tolist(), pairs.folds.tolist(), strict=True))


LFW = "2\t1\nada\t1\t2\nada\t1\tbob\t1\nbob\t1\t2\nbob\t2\tada\t2\n"
LFW_IMAGES = [f"{name}/{name}_000{i}" for name in ("ada", "bob") for i in (1, 2)]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".pgm"])
def test_lfw(tmp_path: Path, write_images: Write, suffix: str) -> None:
    write_images(LFW_IMAGES, suffix)
    (tmp_path / "pairs.txt").write_text(LFW)
    pairs = read_pairs(tmp_path / "pairs.txt")
    ada, bob = ([f"{name}/{name}_000{i}{suffix}" for i in (1, 2)] for name in ("ada", "bob"))
    assert named(pairs) == [
        (ada[0], ada[1], True, 0),
        (ada[0], bob[0], False, 0),
        (bob[0], bob[1], True, 1),
        (bob[1], ada[1], False, 1),
    ]
    assert pairs.faces.classes == ["ada", "bob"]
    assert len(pairs.faces) == 4
    assert pairs.named
    assert pairs.name == tmp_path.name
    assert pairs.notes == (
        f"pairs from {tmp_path / 'pairs.txt'}, images from {tmp_path / 'images'}",
    )


def test_lfw_with_spaces_in_names_and_crops_in_one_folder(
    tmp_path: Path, write_images: Write
) -> None:
    write_images(["ada k_0001", "ada k_0002", "bob_0010"])
    (tmp_path / "pairs.txt").write_text("1\nada k\t1\t2\nada k\t2\tbob\t10\n")
    pairs = read_pairs(tmp_path / "pairs.txt", name="view1")
    assert pairs.faces.identities == ["ada k", "ada k", "bob"]
    assert pairs.folds.tolist() == [0, 0]
    assert repr(pairs) == "PairSet('view1', 2 pairs (1 of one person) in 1 folds, 3 images)"


def test_calfw(tmp_path: Path, write_images: Write) -> None:
    """Genuine pairs come first and carry their fold, impostor pairs a zero."""
    folder = write_images(["ada_0001", "ada_0002", "bob_0001", "bob_0002"])
    genuine = "ada_0001.jpg {0}\nada_0002.jpg {0}\n"
    impostor = "ada_0001.jpg 0\nbob_0001.jpg 0\n"
    text = genuine.format(1) + genuine.format(2) + impostor + "ada_0002.jpg 0\nbob_0002.jpg 0\n"
    (tmp_path / "pairs_CALFW.txt").write_text(text)
    pairs = read_pairs(tmp_path / "pairs_CALFW.txt", folder)
    assert pairs.name == "pairs_CALFW"
    assert pairs.same.tolist() == [True, True, False, False]
    assert pairs.folds.tolist() == [0, 1, 0, 1]
    assert pairs.named
    assert pairs.faces.classes == ["ada", "bob"]


def test_cplfw(tmp_path: Path, write_images: Write) -> None:
    """A flag of one or zero: folds are cut from each kind where genuine pairs come first."""
    folder = write_images(["ada_1", "ada_2", "bob_1"])
    same, different = "ada_1.jpg 1\nada_2.jpg 1\n", "ada_1.jpg 0\nbob_1.jpg 0\n"
    (tmp_path / "pairs_CPLFW.txt").write_text(same * 2 + different * 2)
    pairs = read_pairs(tmp_path / "pairs_CPLFW.txt", folder)
    assert pairs.folds.tolist() == [0, 1, 0, 1]


def test_agedb_as_text(tmp_path: Path, write_images: Write) -> None:
    folder = write_images(["0_Ada_20_f", "1_Ada_50_f", "2_Bob_50_m"])
    lines = "0_Ada_20_f.jpg 1_Ada_50_f.jpg 1\n0_Ada_20_f.jpg 2_Bob_50_m.jpg {}\n"
    for different in ("0", "-1"):
        (tmp_path / "agedb_30_pair.txt").write_text(lines.format(different))
        pairs = read_pairs(tmp_path / "agedb_30_pair.txt", folder)
        assert pairs.same.tolist() == [True, False]
        assert pairs.faces.identities == ["Ada", "Ada", "Bob"]


def test_agedb_as_published(tmp_path: Path, write_images: Write) -> None:
    images = ["Ada_0_20_f_x", "Ada_1_50_f_x", "Bob_2_50_m_x", "Bob_3_20_m_x"]
    write_images(images)
    folds = np.empty((2, 1), object)
    for fold, rows in enumerate([[(0, 1), (0, 2)], [(2, 3)]]):
        cells = np.empty((2, len(rows)), object)
        for column, pair in enumerate(rows):
            for side, image in enumerate(pair):
                cells[side, column] = {"name": images[image], "age": 20}
        folds[fold, 0] = {"split": cells}
    path = tmp_path / "04_FINAL_protocol_30_years.mat"
    savemat(path, {"splits": folds})
    pairs = read_pairs(path)
    assert [row[2:] for row in named(pairs)] == [(True, 0), (False, 0), (True, 1)]
    assert pairs.faces.identities == ["Ada", "Ada", "Bob", "Bob"]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(FaceGeomError, match=r"years\.mat is no AgeDB protocol"):
        read_pairs(path)
    savemat(path, {"other": 1})
    with pytest.raises(
        FaceGeomError, match=r"years\.mat is no AgeDB protocol \(KeyError: 'splits'"
    ):
        read_pairs(path)


def test_table(tmp_path: Path, write_images: Write) -> None:
    folder = write_images(["a/0", "a/1", "b/0"])
    (tmp_path / "pairs.csv").write_text(
        "path_a,path_b,same,fold\na/0.png,a/1.png,1,7\na/0.png,b/0.png,False,7\n"
        "a/1.png,b/0.png,0,3\n"
    )
    pairs = read_pairs(tmp_path / "pairs.csv", folder, "own")
    assert named(pairs)[1] == ("a/0.png", "b/0.png", False, 1)
    assert pairs.folds.tolist() == [1, 1, 0]
    assert pairs.faces.identities == ["a", "a", "b"]
    assert pairs.name == "own"


def test_unknown_people(tmp_path: Path, write_images: Write) -> None:
    """Names that contradict a pair say nothing of who is who."""
    folder = write_images(["x/0", "x/1", "y/0"])
    (tmp_path / "pairs.csv").write_text(
        "path_a,path_b,same\nx/0.png,x/1.png,0\nx/0.png,y/0.png,1\nx/0.png,x/0.png,1\n"
    )
    pairs = read_pairs(tmp_path / "pairs.csv", folder)
    assert not pairs.named
    assert len(pairs.faces.classes) == len(pairs.faces) == 3
    assert pairs.notes[1] == "1 pairs compare an image with itself"


@pytest.fixture
def cfp(tmp_path: Path, write_images: Write) -> Path:
    write_images(
        [f"{p}/{k}/0{i}" for p in ("001", "002") for k in ("frontal", "profile") for i in (1, 2)],
        ".jpg",
        "cfp/Data/Images",
    )
    protocol = tmp_path / "cfp" / "Protocol"
    protocol.mkdir()
    for letter, kind in (("F", "frontal"), ("P", "profile")):
        lines = (
            f"{2 * p + i - 2} ../Data/Images/00{p}/{kind}/0{i}.jpg" for p in (1, 2) for i in (1, 2)
        )
        (protocol / f"Pair_list_{letter}.txt").write_text("\n".join(lines) + "\n")
    for kind in ("FP", "FF"):
        for fold in ("01", "02"):
            (protocol / "Split" / kind / fold).mkdir(parents=True)
            (protocol / "Split" / kind / fold / "same.txt").write_text("1,2\n3,4\n")
            (protocol / "Split" / kind / fold / "diff.txt").write_text("1,4")
    return tmp_path / "cfp"


def test_cfp(cfp: Path) -> None:
    pairs = read_cfp(cfp)
    assert pairs.name == "cfp_fp"
    assert named(pairs)[:3] == [
        ("001/frontal/01.jpg", "001/profile/02.jpg", True, 0),
        ("002/frontal/01.jpg", "002/profile/02.jpg", True, 0),
        ("001/frontal/01.jpg", "002/profile/02.jpg", False, 0),
    ]
    assert pairs.folds.tolist() == [0, 0, 0, 1, 1, 1]
    assert pairs.faces.classes == ["001", "002"]
    frontal = read_cfp(cfp, "FF")
    assert named(frontal)[0][:2] == ("001/frontal/01.jpg", "001/frontal/02.jpg")


def test_cfp_faults_are_named(cfp: Path) -> None:
    with pytest.raises(FaceGeomError, match="protocol must be FP or FF, got 'FX'"):
        read_cfp(cfp, "FX")
    same = cfp / "Protocol" / "Split" / "FP" / "02" / "same.txt"
    same.write_text("1,2\n1,9\n")
    with pytest.raises(FaceGeomError, match=r"02/same\.txt, line 2: no image has number 1 or 9"):
        read_cfp(cfp)
    same.write_text("1 2\n")
    with pytest.raises(FaceGeomError, match=r"same\.txt, line 1: expected NUMBER,NUMBER"):
        read_cfp(cfp)
    same.write_text("1,4\n")
    with pytest.raises(FaceGeomError, match="1 of 5 pairs disagree with the names of the people"):
        read_cfp(cfp)
    same.unlink()
    with pytest.raises(FaceGeomError, match=r"Cannot read .*02/same\.txt"):
        read_cfp(cfp)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no pairs"),
        ("2 1\nada 1 2\nada 1 bob 1\n", "has 2 pairs, but its first line promises 2 × 2 × 1"),
        ("1\nada 1 bob 1\nada 1 2\n", r"line 2: expected NAME I J, one person, got \['ada'"),
        ("1\nada 1 2\nada 1 ada 2\n", "line 3: expected NAME I OTHER J, two people"),
        ("1\nada 1 x\nada 1 bob 1\n", "line 2: 'x' is no image number"),
        ("ada_1.jpg 1\n", "has 1 lines; pairs stand on two lines each"),
        ("ada_1.jpg 1\nada_2.jpg 0\n", "line 1: expected IMAGE FLAG twice with one flag"),
        ("a.jpg 1\nb.jpg 1\nc.jpg x\nd.jpg x\n", "line 3: 'x' is no flag"),
        ("a.jpg b.jpg 1\na.jpg b.jpg 2\n", r"line 2: expected LEFT RIGHT FLAG \(1 or 0\)"),
        ("9" * 5000 + "\n", "begins no list of pairs"),
        ("1\nada 1 2\nada 1 bob " + "9" * 5000 + "\n", "line 3: '999*' is no image number"),
        ("a.jpg --5\nb.jpg --5\n", "begins no list of pairs"),
        ("\0\n", "begins no list of pairs"),
        ("hello world and more\n", "line 1: 'hello world and more' begins no list of pairs"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(FaceGeomError, match=r"pairs\.txt.*" + message):
        read_pairs(tmp_path / "pairs.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path_a,path_b\na,b\n", "no column 'same'. Separated by commas, it has: path_a, path_b"),
        ("path_a,path_b,same\na,b,maybe\n", "line 2: expected two paths and `same` as 1 or 0"),
        ("path_a,path_b,same\na,,1\n", "line 2: expected two paths"),
        ("path_a,path_b,same,fold\na,b,1,x\n", "line 2: the fold 'x' is no whole number"),
        ("path_a,path_b,same\n", "holds no pairs"),
        (f"path_a,path_b,same\n{'a' * 9999},b,1\n", "1?2 of 2 images are not in"),
        (f"path_a,path_b,same\n{'a' * 200_000},b,1\n", "below line 1: no comma-separated values"),
    ],
)
def test_table_faults_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(FaceGeomError, match=r"own\.csv.*" + message):
        read_pairs(tmp_path / "own.csv")


def test_missing_images_are_counted_and_named(tmp_path: Path, write_images: Write) -> None:
    write_images(LFW_IMAGES[:2])
    (tmp_path / "pairs.txt").write_text(LFW)
    message = r"2 of 4 images are not in .*images: bob/bob_0001, bob/bob_0002\. Put them there"
    with pytest.raises(FaceGeomError, match=message):
        read_pairs(tmp_path / "pairs.txt")
    with pytest.raises(FaceGeomError, match=r"list of pairs .*none\.txt does not exist"):
        read_pairs(tmp_path / "none.txt")
    with pytest.raises(FaceGeomError, match=r"folder of images .*nowhere does not exist"):
        read_pairs(tmp_path / "pairs.txt", tmp_path / "nowhere")


def test_two_files_of_one_name(tmp_path: Path, write_images: Write) -> None:
    for suffix in (".png", ".bmp"):
        write_images(["a", "b"], suffix)
    (tmp_path / "own.csv").write_text("path_a,path_b,same\na.png,b.png,1\n")
    assert named(read_pairs(tmp_path / "own.csv"))[0][:2] == ("a.png", "b.png")
    (tmp_path / "own.csv").write_text("path_a,path_b,same\na.jpg,b.png,1\n")
    with pytest.raises(FaceGeomError, match=r"a\.jpg may be a\.bmp or a\.png"):
        read_pairs(tmp_path / "own.csv")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(["own.txt", "own.csv", "own.mat"]),
    st.binary() | st.text("a1 0-,\n\t.j", max_size=40).map(str.encode),
    st.sampled_from([b"", b"1 1\n", b"path_a,path_b,same,fold\n", b"a.jpg 1\n", b"a b 1\n"]),
)
def test_no_content_ends_in_another_error(
    tmp_path: Path, name: str, content: bytes, start: bytes
) -> None:
    (tmp_path / name).write_bytes(start + content)
    with pytest.raises(FaceGeomError):
        read_pairs(tmp_path / name)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 10))
def test_default_folds_hold_both_kinds(same: list[bool], folds: int) -> None:
    kinds = torch.tensor(same)
    found = default_folds(kinds, folds)
    count = max(1, min(folds, int(kinds.sum()), int((~kinds).sum())))
    assert found.unique().tolist() == list(range(count))
    for kind in {*same}:
        assert len(found[kinds == kind].unique()) == count


def test_pairs_must_fit_their_faces() -> None:
    faces = FaceSet.from_rows([{"identity": "a", "path": "0"}, {"identity": "b", "path": "1"}])
    zero, one = torch.tensor([0]), torch.tensor([1])
    with pytest.raises(
        FaceGeomError, match=r"x: 1 of 1 pairs disagree .* first is pair 0 \(0, 1\)"
    ):
        PairSet("x", faces, zero, one, torch.tensor([True]), zero)
    with pytest.raises(FaceGeomError, match="each must name images that are there"):
        PairSet("x", faces, zero, one + 1, torch.tensor([True]), zero)
