from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.reporting.frames import LONGEST, cell, escape, latex, write_frame

THIRD = 1 / 3
COLUMNS = {
    "attribute": ["hair_color", "5 % & more", 'a, "b"\nc'],
    "mean_energy": [THIRD, None, float("nan")],
    "count": [3, None, -2],
    "defined": [True, False, None],
    "nothing": [None, None, None],
}


def test_csv_and_parquet_hold_every_digit_and_agree(tmp_path: Path) -> None:
    write_frame(tmp_path / "tables", "t", COLUMNS)
    rows = list(csv.DictReader((tmp_path / "tables" / "t.csv").open(newline="")))
    assert [row["attribute"] for row in rows] == COLUMNS["attribute"]
    assert float(rows[0]["mean_energy"]) == THIRD
    assert [rows[1]["mean_energy"], rows[2]["mean_energy"], rows[1]["count"]] == ["", "", ""]
    table = pq.read_table(tmp_path / "tables" / "t.parquet")
    assert table.to_pydict() == COLUMNS | {"mean_energy": [THIRD, None, None]}
    assert str(table.schema.field("nothing").type) == "double"
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "t.csv",
        "t.parquet",
        "t.tex",
    ]


def test_scalars_of_numpy_and_torch_are_numbers(tmp_path: Path) -> None:
    columns = {
        "x": np.arange(3),
        "y": torch.tensor([1.5, math.nan, -1.0]),
        "z": [np.float32(2)] * 3,
    }
    write_frame(tmp_path, "t", columns)
    read = pq.read_table(tmp_path / "t.parquet").to_pydict()
    assert read == {"x": [0, 1, 2], "y": [1.5, None, -1.0], "z": [2.0, 2.0, 2.0]}


def test_latex_is_a_table_of_rounded_numbers() -> None:
    lines = latex("energy", COLUMNS, "Energies: 95 % & more").splitlines()
    assert lines[1] == r"\begin{table}"
    assert lines[3] == r"\caption{Energies: 95 \% \& more}\label{tab:energy}"
    assert lines[4] == r"\begin{tabular}{lrrlr}"
    assert lines[6] == r"attribute & mean energy & count & defined & nothing \\"
    assert lines[8:11] == [
        r"hair\_color & 0.333 & 3 & yes & -- \\",
        r"5 \% \& more & -- & -- & no & -- \\",
        r'a, "b" c & -- & $-2$ & -- & -- \\',
    ]


def test_a_long_table_breaks_over_pages() -> None:
    text = latex("t", {"x": list(range(LONGEST + 1))}, "Many")
    assert r"\begin{longtable}{r}" in text
    assert r"\caption{Many}\label{tab:t}\\" in text
    assert r"\begin{table}" not in text
    assert text.count(r"\\") == LONGEST + 3  # the rows, the head and the caption
    assert r"\begin{table}" in latex("t", {"x": list(range(LONGEST))})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.12345, "$-0.123$"),
        (0.0, "0.000"),
        (-0.0, "0.000"),
        (1e-7, r"$1.00 \times 10^{-7}$"),
        (-4.2e-4, r"$-4.20 \times 10^{-4}$"),
        (math.inf, r"$\infty$"),
        (12345.6789, "12345.679"),
        (True, "yes"),
    ],
)
def test_numbers_in_latex(value: object, text: str) -> None:
    assert cell(value) == text


def test_no_character_of_latex_is_left_as_it_is() -> None:
    escaped = escape(r"a\b{c}$d&e#f%g_h^i~j")
    assert escaped == (
        r"a\textbackslash{}b\{c\}\$d\&e\#f\%g\_h\textasciicircum{}i\textasciitilde{}j"
    )
    assert escape("[1, 2] * ρ × −3") == r"{[}1, 2] {*} $\rho$ $\times$ $-$3"


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({}, "no column"),
        ({"a": [1], "b": [1, 2]}, "a 1, b 2"),
        ({"a": [1, "one"]}, "mixes kinds"),
    ],
)
def test_a_bad_table_leaves_no_file(
    tmp_path: Path, columns: dict[str, list[object]], match: str
) -> None:
    with pytest.raises(FaceGeomError, match=match):
        write_frame(tmp_path, "t", columns)
    assert list(tmp_path.iterdir()) == []


def test_all_three_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "t.tex").mkdir()  # the last of the three cannot take its place
    with pytest.raises(FaceGeomError, match="Cannot write"):
        write_frame(tmp_path, "t", COLUMNS)
    assert [path.name for path in tmp_path.iterdir()] == ["t.tex"]
