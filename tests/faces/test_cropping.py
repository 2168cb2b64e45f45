from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.crop import TEMPLATE
from facegeom_lit.faces.crop_report import CropReport
from facegeom_lit.faces.cropping import Cropped, CropSettings, choose_faces, find_photos
from facegeom_lit.faces.detectors import Detection


def face(left: float, top: float, side: float, score: float = 0.9) -> Detection:
    box = np.array([left, top, left + side, top + side])
    return Detection(box, score, TEMPLATE * side / 112 + (left, top))


def test_one_of_several_faces_is_chosen_as_asked() -> None:
    large, middle = face(0, 0, 60), face(80, 40, 20)
    assert choose_faces([large, middle], (100, 180), "refuse") == []
    assert choose_faces([large, middle], (100, 180), "largest") == [large]
    assert choose_faces([middle, large], (100, 180), "central") == [middle]
    assert choose_faces([large, middle], (100, 180), "all") == [large, middle]
    for policy in ("refuse", "largest", "central", "all"):
        assert choose_faces([large], (100, 180), policy) == [large]
        assert choose_faces([], (100, 180), policy) == []


def test_photos_are_found_in_any_tree(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "a.png", "b/c/1.webp", ".hidden/3.png", "b/.4.png", "notes.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.warns(UserWarning, match=r"1 files .* are no images .* e\.g\. notes\.md"):
        assert find_photos(tmp_path, CropSettings()) == ["a.png", "b/2.JPG", "b/c/1.webp"]
    (tmp_path / "notes.md").unlink()
    (tmp_path / "linked").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")  # said when it is read
    there = ["a.png", "b/2.JPG", "b/c/1.webp", "b/gone.png"]
    linked = ["linked/2.JPG", "linked/c/1.webp", "linked/gone.png"]
    assert find_photos(tmp_path, CropSettings()) == [*there, *linked]
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    with pytest.raises(FaceGeomError, match="leads back to a folder above it"):
        find_photos(tmp_path, CropSettings())
    (tmp_path / "empty").mkdir()
    with pytest.raises(FaceGeomError, match="holds no photo"):
        find_photos(tmp_path / "empty", CropSettings())


LINES = [
    [Cropped("b, c/1.png", "cropped", 1, "b, c/1.png", face(1, 2, 30))],
    [Cropped('a"\n.png', "unreadable", note="two\nlines, and a comma")],
    [Cropped("d.png", "no_face")],
]


def test_a_report_reads_back_what_it_wrote_and_sorts(tmp_path: Path) -> None:
    report = CropReport(tmp_path / "crop.csv")
    report.write()
    report.add(LINES[:1])
    report.add(LINES[1:])
    again = CropReport(tmp_path / "crop.csv")
    assert again.done == report.done
    assert again.with_status("no_face") == ["d.png"]
    again.write()
    assert list(CropReport(tmp_path / "crop.csv").done) == sorted(again.done)


def test_a_line_cut_anywhere_is_dropped_alone(tmp_path: Path) -> None:
    path = tmp_path / "crop.csv"
    report = CropReport(path)
    report.write()
    report.add(LINES[:2])
    start = len(path.read_bytes())
    report.add(LINES[2:])
    data = path.read_bytes()
    for end in range(start, len(data)):
        path.write_bytes(data[:end])
        assert list(CropReport(path).done) == ["b, c/1.png", 'a"\n.png']
    heading = data.index(b"\n") + 1
    for end in range(heading, start):  # a quoted line break ends no line
        path.write_bytes(data[:end])
        assert set(CropReport(path).done) <= {"b, c/1.png"}


def test_another_file_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "crop.csv").write_text("path,identity\na,b\n")
    with pytest.raises(FaceGeomError, match="no report of `facegeom crop`"):
        CropReport(tmp_path / "crop.csv")
