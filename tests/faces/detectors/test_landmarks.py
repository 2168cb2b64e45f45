from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.crop import TEMPLATE
from facegeom_lit.faces.detectors import LandmarkTable
from facegeom_lit.faces.detectors.landmarks import POINT_COLUMNS

NO_IMAGE = np.zeros((1, 1, 3), np.uint8)
NUMBERS = TEMPLATE.ravel().tolist()
HEADING = ",".join(["path", *POINT_COLUMNS])
CELEBA = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y"


def line(name: str, separator: str = ",") -> str:
    return separator.join([name, *map(str, NUMBERS)])


def test_every_layout_gives_the_same_points(tmp_path: Path) -> None:
    names = ["a/1.png", "b/2.png"]
    (tmp_path / "t.csv").write_text("\n".join([HEADING, *map(line, names)]))
    named = [*CELEBA.split(), "rightmouth_x", "rightmouth_y"]
    (tmp_path / "celeba.csv").write_text(
        "\n".join([",".join(["path", *named]), *map(line, names)]), encoding="utf-8-sig"
    )
    ijb = [line(name, " ") + " 0.875" for name in names]
    (tmp_path / "ijbc_name_5pts_score.txt").write_text("\n".join(ijb))
    aligned = ["2", " ".join(named), *(line(name, "  ") for name in names)]
    (tmp_path / "list_landmarks_align_celeba.txt").write_text("\n".join(aligned))
    np.savez(tmp_path / "t.npz", image=np.array(names), landmarks=np.stack([TEMPLATE] * 2))
    for path in tmp_path.iterdir():
        table = LandmarkTable(str(path))
        table.check([*names, "c/3.png"])
        (face,) = table.detect(NO_IMAGE, "b/2.png")
        assert np.allclose(face.landmarks, TEMPLATE, atol=1e-4)
        assert face.score == (0.875 if "ijbc" in path.name else 1.0)
        assert np.allclose(face.box[:2], TEMPLATE.min(0), atol=1e-4)
        assert table.detect(NO_IMAGE, "c/3.png") == []


def test_boxes_scores_and_several_faces_are_taken(tmp_path: Path) -> None:
    heading = HEADING + ",score,left,top,right,bottom"
    rows = [f"{line('1.png')},0.5,1,2,3,4", f"{line('1.png')},0.75,5,6,7,8", f"2.png{',' * 15}"]
    (tmp_path / "t.csv").write_text("\n".join([heading, *rows]))
    table = LandmarkTable(str(tmp_path / "t.csv"))
    best, other = table.detect(NO_IMAGE, "1.png")
    assert (best.score, other.score) == (0.75, 0.5)
    assert best.box.tolist() == [5, 6, 7, 8]
    assert table.detect(NO_IMAGE, "2.png") == []


def refused(path: Path, match: str) -> None:
    with pytest.raises(FaceGeomError, match=match):
        LandmarkTable(str(path)).check(["1.png"])


def test_what_a_table_has_wrong_is_named(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    swapped = TEMPLATE[[1, 0, 2, 4, 3]].ravel()
    for text, match in {
        "path,x1\n1.png,3": "no column 'x2'",
        f"{HEADING}\n{line('1.png').replace('38.2946', 'nan')}": "line 2: 'nan' is not a finite",
        f"{HEADING}\n1.png,1,2": "line 2: '' is not a finite number",
        f"{HEADING}\n{line('')}": "line 2: the path is empty",
        f"{HEADING}\n{line('9.png')}": r"None of the 1 photos .* is there, e\.g\. '9\.png'",
        HEADING: "lists no face",
        f"{HEADING}\n1.png{',0' * 10}": "line 2: all five points are at the same place",
        f"{HEADING}\n1.png,{','.join(map(str, swapped))}": "line 2: left and right are swapped",
    }.items():
        table.write_text(text)
        table = table.rename(tmp_path / f"{len(match)}{abs(hash(match))}.csv")  # read once a name
        refused(table, match)
    text = tmp_path / "t.txt"
    text.write_text("1.png 1 2 3")
    refused(text, "line 1 has 4 words")
    refused(tmp_path / "absent.csv", "does not exist")
    refused(tmp_path / "t.json", "must be a .csv, .npz or .txt file")


def test_an_archive_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "touched",)

    np.savez(tmp_path / "e.npz", image=np.array([Evil()], object), landmarks=np.ones((1, 5, 2)))
    refused(tmp_path / "e.npz", "no .npz file of plain arrays")
    assert not (tmp_path / "touched").exists()
    np.savez(tmp_path / "s.npz", image=np.array(["1.png"]), landmarks=np.ones((2, 5, 2)))
    refused(tmp_path / "s.npz", r"landmarks numbers \(N, 5, 2\)")
    np.savez(tmp_path / "m.npz", image=np.array(["1.png"]))
    refused(tmp_path / "m.npz", "no array")
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 damaged")
    refused(tmp_path / "d.npz", "no .npz file of plain arrays")
