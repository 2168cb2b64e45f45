from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import atomic_folder


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "prior"
    with atomic_folder(folder) as aside:
        (aside / "first").write_text("1")
        assert not folder.exists()
    assert (folder / "first").read_text() == "1"
    with suppress(ArithmeticError), atomic_folder(folder) as aside:
        (aside / "second").write_text("2")
        raise ArithmeticError
    assert [file.name for file in folder.iterdir()] == ["first"]
    with atomic_folder(folder) as aside:
        (aside / "second").write_text("2")
    assert [file.name for file in folder.iterdir()] == ["second"]
    assert [file.name for file in folder.parent.iterdir()] == ["prior"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(FaceGeomError, match=r"Cannot write .*prior: .*run the same command again"),
        atomic_folder(tmp_path / "file" / "prior"),
    ):
        pass
