from __future__ import annotations

from pathlib import Path

import pytest

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.reporting.analysis_page import LONGEST, PAGE, Section, write_page


def test_a_page_joins_tables_and_pictures(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a picture.png").write_bytes(b"")
    table = {"attribute": ["hair_color", "a|b"], "energy": [0.12345, None], "p": [1e-9, 0.5]}
    sections = [
        Section("Energies", "What they are.", {"tables/t": table}),
        Section("Pictures", pictures={"figures/a picture.png": "violins [ball_0.6]"}),
        Section("Long", tables={"long": {"x": range(LONGEST + 1)}}),
    ]
    page = write_page(tmp_path, "Analysis", sections, ["a note", "a note"])
    assert page == tmp_path / PAGE
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[:7] == [
        "# Analysis",
        "",
        "## Energies",
        "",
        "What they are.",
        "",
        "| attribute | energy | p |",
    ]
    assert r"| hair\_color | 0.123 | 1.0e-09 |" in lines
    assert r"| a\|b | – | 0.500 |" in lines
    assert (
        "tables/t: [csv](tables/t.csv), [parquet](tables/t.parquet), [tex](tables/t.tex)" in lines
    )
    assert r"![violins \[ball\_0.6\]](figures/a%20picture.png)" in lines
    assert any(line.startswith(f"long: {LONGEST + 1} rows, [csv]") for line in lines)
    assert lines.count("- a note") == 1


def test_a_missing_picture_leaves_no_page(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match=r"none\.png does not exist"):
        write_page(tmp_path, "Analysis", [Section("A", pictures={"none.png": "none"})])
    assert list(tmp_path.iterdir()) == []
