from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq
import pytest
from reporting.alignment_examples import NAMES, UNDEFINED, example

from facegeom_lit.evaluation.alignment.result import Alignment
from facegeom_lit.reporting.alignment_frames import alignment_frames
from facegeom_lit.reporting.alignment_report import (
    CAPTIONS,
    PAGE,
    RECORD,
    SECTIONS,
    write_alignment_report,
)
from facegeom_lit.reporting.alignment_tables import print_alignment
from facegeom_lit.reporting.analysis_frames import rows_of


def test_a_folder_with_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alignment = example(2, ("lfw", "att"), attributes=3)
    folder = tmp_path / "align"
    _few_figures(monkeypatch)
    write_alignment_report(folder, alignment, {"config": {"seed": 0}})
    record = json.loads((folder / RECORD).read_text())
    assert record["config"] == {"seed": 0}
    assert record["result"][0].startswith("lfw: rank-1")
    assert list(record["tables"]) == list(alignment_frames(alignment)) == list(CAPTIONS)
    page = (folder / PAGE).read_text()
    assert page.index("## Result") < page.index("lfw: rank-1") < page.index("## Maps between")
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (folder / unquote(link)).is_file(), link
    for heading, _, _ in SECTIONS.values():
        assert f"## {heading}\n" in page or heading == "Every pair"
    assert page.rstrip().endswith("- densenet_hinge was centred.")
    with (folder / "tables" / "transfer.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == pq.read_table(folder / "tables" / "transfer.parquet").num_rows == 20
    assert r"\caption{" in (folder / "tables" / "summary.tex").read_text()


def test_undefined_figures_are_null_and_nothing_is_nan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = example(2, ("lfw",))
    cells = [replace(cell, figures={**cell.figures, "rank1": UNDEFINED}) for cell in whole.cells]
    steps = tuple(np.array([1, 2]))
    ladders = (replace(whole.ladders[0], steps=steps, figures=(UNDEFINED, UNDEFINED)),)
    families = replace(whole.families[0], distance=np.full((2, 2), np.nan))
    _few_figures(monkeypatch)
    some = Alignment(whole.models, whole.sets, tuple(cells), ladders=ladders, families=(families,))
    write_alignment_report(tmp_path / "align", some, {})
    text = (tmp_path / "align" / RECORD).read_text()
    assert "NaN" not in text
    tables = json.loads(text)["tables"]
    assert [row["step"] for row in tables["ladders"]] == [1, 2]
    assert {row["rank1"] for row in tables["cells"]} == {None}
    assert {row["nearest"] for row in tables["families"]} == {None}


def test_frames_say_what_a_map_is_compared_with() -> None:
    frames = alignment_frames(example(2, ("lfw", "att")))
    row = next(
        row
        for row in rows_of(frames["recovered"])
        if (row["map"], row["fitted_on"], row["judged_on"]) == ("ridge", "att", "lfw")
    )
    assert (row["source"], row["target"]) == NAMES[:2]
    assert (row["unaligned"], row["native"]) == (pytest.approx(0.004), pytest.approx(0.86))
    gained = (row["aligned"] - row["unaligned"]) / (row["native"] - row["unaligned"])
    assert row["recovered"] == pytest.approx(gained)
    assert row["recovered_low"] == pytest.approx(row["recovered"] - 0.02)
    assert row["null"] is None
    assert {len(frames["cells"]["map"])} == {2 * (2 + 2 + 2 * 2 * 4)}


@pytest.mark.parametrize("models", [2, 4])
def test_what_is_printed_fits_a_window(models: int, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ("a_set_of_a_rather_long_name", "att", "yale_b", "cfp_fp", "agedb")
    print_alignment(example(models, sets[: 5 if models > 2 else 1]))
    printed = capsys.readouterr().out
    tables = [line for line in printed.splitlines() if line[:1] in "┏┃┡│├└"]
    assert max(map(len, tables)) <= 100
    assert not any("…" in cell and any(c.isdigit() for c in cell) for cell in _cells(tables))
    assert "note: densenet_hinge was centred." in printed
    assert "families by ridge: 1: " in printed
    assert "ks mean over attributes after ridge: Spearman 0.89 with the source's" in printed
    assert len(printed.splitlines()) < 200
    assert ("maps of one set on another" in printed) == (models > 2)


def test_printing_what_holds_little(capsys: pytest.CaptureFixture[str]) -> None:
    print_alignment(Alignment(NAMES[:2], {"lfw": {"people": 3}}, (), notes=("nothing",)))
    printed = capsys.readouterr().out
    assert "note: nothing" in printed
    assert "nan" not in printed.lower()


def _cells(lines: list[str]) -> list[str]:
    return [cell.strip() for line in lines for cell in re.split("[│┃]", line)]


def _few_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the cheap figures alone: the others have their own tests."""
    from facegeom_lit.reporting import alignment_report

    every = alignment_report.drawings
    monkeypatch.setattr(
        alignment_report,
        "drawings",
        lambda *given: [d for d in every(*given) if d.section in ("maps", "families")][:2],
    )
