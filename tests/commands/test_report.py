from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from reporting.study_records import ATTRIBUTES, AUGMENTATION, ENERGY, PEOPLE, PULL, record, save

from facegeom_lit.commands.cli import main

MOVES = {AUGMENTATION: (0.05, 0.0), PULL: (0.20, -0.009), ENERGY: (0.12, 0.0)}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two folders of runs: 8 attributes × 2 seeds × 3 objectives."""
    drawn = np.random.default_rng(0)
    for words, (energy, auc) in MOVES.items():
        for attribute in ATTRIBUTES:
            for seed in (0, 1):
                moved = energy + 0.01 * drawn.standard_normal(len(PEOPLE))
                table = dict(zip(PEOPLE, moved.tolist(), strict=True))
                saved = record(attribute, seed, words, energy=table, auc=auc)
                save(tmp_path / "runs" / str(seed), saved)
    return tmp_path / "runs"


def test_a_report_says_who_wins_with_tables_and_figures(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "report"
    assert main(["report", f"runs={runs}/0,{runs}/1", f"output={output}"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == f"output: {output}"
    assert "energy, all arms: 'invariance' (+0." in printed
    assert max(map(len, (line for line in printed.splitlines() if line.startswith("│")))) <= 120
    found = json.loads((output / "report.json").read_text())
    assert len(found["runs"]) == 48
    assert set(found["equal_arms"]) == {"invariance, pull=0", "energy"}
    (said,) = (text for asked, text in found["verdicts"].items() if "equal verification" in asked)
    assert said.startswith("'energy' (+0.1")
    assert "ahead of 'invariance, pull=0' by +0.0" in said
    page = (output / "report.md").read_text()
    assert said in page
    for picture in page.split("](")[1:]:
        assert min(Image.open(output / picture.split(")")[0]).size) > 100
    with (output / "tables" / "pairs.csv").open() as file:
        pairs = list(csv.DictReader(file))
    assert len(pairs) == 3 + 1  # of all arms, and of those of equal verification
    assert all(float(pair["p_holm"]) < 0.05 for pair in pairs)
    assert pq.read_table(output / "tables" / "runs.parquet").num_rows == 48
    assert (output / "tables" / "matrix.tex").read_text().count("contrast") > 8


def test_a_folder_is_named_by_its_runs_and_replaced_by_the_same_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "runs", record("age", 0, measured=["age"]))
    command = ["report", f"runs=[{tmp_path}/runs]", f"root={tmp_path}/reports"]
    for changed in ([], [], ["equal=0.5"]):
        assert main([*command, *changed]) == 0
    folders = [line for line in capsys.readouterr().out.splitlines() if line.startswith("output: ")]
    assert len(set(folders)) == len(list((tmp_path / "reports").iterdir())) == 2


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ([], "runs must name folders"),
        (["runs=7"], "runs must name folders"),
        (["runs="], "runs must name folders"),
        (["runs=/nowhere"], "/nowhere is no folder"),
        (["runs={runs}", "augmentation=pull"], "is no arm of these runs"),
        (["runs={runs}", "equal=-1"], "equal must be"),
        (["runs={runs}", "output={runs}"], "holds no report"),
        (["runs={runs}", "outputs=x"], "Did you mean 'output'?"),
    ],
)
def test_bad_input_is_one_message_and_writes_nothing(
    overrides: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = save(tmp_path / "runs", record("age", 0))
    with pytest.raises(SystemExit):
        main(["report", f"root={runs.parent}/out", *(o.format(runs=runs) for o in overrides)])
    assert words in capsys.readouterr().err
    assert not (runs.parent / "out").exists()


def test_two_lattices_are_not_mixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = record("age", 7)
    other["face_sets"]["lattice"] = "ffff"
    runs = save(tmp_path / "runs", record("age", 0), other)
    with pytest.raises(SystemExit):
        main(["report", f"runs={runs}", f"output={tmp_path}/report"])
    said = capsys.readouterr().err
    assert other["name"] in said
    assert "measured on different faces: lattice" in said
