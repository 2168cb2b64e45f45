from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from reporting.study_records import AUGMENTATION, ENERGY, PULL, record, save

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import write_json
from facegeom_lit.reporting.study_checks import check_runs
from facegeom_lit.reporting.study_runs import read_runs


def test_arms_are_named_by_the_words_of_their_commands(tmp_path: Path) -> None:
    for words in (AUGMENTATION, PULL, ENERGY):
        save(tmp_path, record("age", 0, words), record("hue", 1, words))
    runs = read_runs([tmp_path])
    assert set(runs.arms) == {"invariance, pull=0", "invariance", "energy"}
    assert len(runs.of("energy")) == 2
    # Only cells that the others have are asked for: (age, 1) and (hue, 0) of all three.
    assert len(check_runs(runs.runs)) == 6


def test_an_arm_without_words_has_its_objective_s_name(tmp_path: Path) -> None:
    save(tmp_path, record("age", 0, ()), record("hue", 0, ()))
    assert read_runs([tmp_path]).arms == ["invariance"]


def test_a_run_that_is_named_in_two_ways_is_read_once(tmp_path: Path) -> None:
    saved = record("age", 0)
    save(tmp_path / "a", saved)
    assert len(read_runs([tmp_path, tmp_path / "a", tmp_path / "a" / saved["name"]]).runs) == 1


def test_an_incomplete_run_is_said(tmp_path: Path) -> None:
    save(tmp_path, record("age", 0))
    (tmp_path / "hue" / ".hydra").mkdir(parents=True)
    write_json(tmp_path / "pose" / "run.json", {"status": "running"})
    (said, more) = read_runs([tmp_path]).notes
    assert "incomplete" in said
    assert "/hue" in said
    assert "/pose" in more


def test_a_sweep_s_folder_names_its_runs_and_its_failures(tmp_path: Path) -> None:
    found = record("age", 0)
    save(tmp_path / "fine_tune", found, record("hue", 0))
    jobs = tmp_path / "sweeps" / "sweep-1" / "jobs"
    folder = str(tmp_path / "fine_tune" / found["name"])
    words = ["attribute=age", "seed=0", "objective=invariance"]
    write_json(jobs / "a.json", {"folder": folder, "overrides": words})
    write_json(jobs / "failed-1.json", {"failed": "no\n space", "overrides": ["attribute=pose"]})
    for place in (jobs.parent, jobs.parent.parent):  # a sweep, or a folder of sweeps
        runs = read_runs([place])
        assert [run.record["overrides"] for run in runs.runs] == [words]
        assert runs.notes == ("failed: attribute=pose: no space",)


@pytest.mark.parametrize("note", [[1], {"overrides": []}, {"folder": 3, "overrides": []}])
def test_a_broken_note_of_a_sweep_is_refused(note: object, tmp_path: Path) -> None:
    write_json(tmp_path / "jobs" / "a.json", note)
    with pytest.raises(FaceGeomError, match=r"a\.json is not the note of a job"):
        read_runs([tmp_path])


def test_a_run_without_a_baseline_is_said(tmp_path: Path) -> None:
    save(tmp_path, record("age", 0), record("hue", 0) | {"identity_differences": {}})
    assert "without a baseline" in read_runs([tmp_path]).notes[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": "0"}, "run.json: seed is missing, of another kind"),
        ({"versions": None}, "run.json: versions is missing"),
        ({"overrides": [1]}, "run.json: overrides is missing, of another kind"),
        ({"differences": {"val/verify/v/auc": {"difference": math.nan}}}, "json: differences is"),
        ({"identity_differences": {"energy": {"age": {"p0": None}}}}, "json: identity_differences"),
    ],
)
def test_a_broken_record_is_refused(change: dict[str, object], words: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(record("age", 0) | change))
    with pytest.raises(FaceGeomError, match=words):
        read_runs([tmp_path])


def test_nothing_to_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FaceGeomError, match="no complete run"):
        read_runs([tmp_path])
    with pytest.raises(FaceGeomError, match="is no folder"):
        read_runs([tmp_path / "absent"])
    (tmp_path / "run.json").write_text("[1]")
    with pytest.raises(FaceGeomError, match="not the record of a run"):
        read_runs([tmp_path])


def test_the_same_run_twice_is_refused_with_both_folders(tmp_path: Path) -> None:
    save(tmp_path / "one", record("age", 0))
    save(tmp_path / "two", record("age", 0))
    runs = read_runs([tmp_path])
    with pytest.raises(FaceGeomError, match="more than once") as said:
        check_runs(runs.runs)
    assert "/one/" in str(said.value)
    assert "/two/" in str(said.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"face_sets": {"lattice": "ffff", "verification": "baf3"}}, "different faces: lattice"),
        ({"face_sets": {"lattice": "d54b"}}, "different faces: verification"),
        ({"config": {"callbacks": {"attribute_geometry": {"radius": 0.8}}}}, "in different ways"),
        ({"weights": {"model_before": "2222"}}, "began with different: weights"),
        (
            {
                "config": {
                    "objective": {"pull": 2.0},
                    "training": {"lr": 0.2},
                    "callbacks": {"attribute_geometry": {"radius": 0.6}},
                }
            },
            r"differ in a setting: training.lr \(0.1 against 0.2\)",
        ),
    ],
)
def test_what_is_not_comparable_is_not_compared(
    change: dict[str, object], words: str, tmp_path: Path
) -> None:
    save(tmp_path, record("age", 0), record("age", 1) | change)
    with pytest.raises(FaceGeomError, match=words) as said:
        check_runs(read_runs([tmp_path]).runs)
    assert str(tmp_path) in str(said.value)


def test_other_versions_and_other_start_weights_of_arms_are_said(tmp_path: Path) -> None:
    other = record("age", 0, ENERGY)
    other["versions"]["torch"] = "2.14"
    other["weights"]["model_before"] = "2222"
    save(tmp_path, record("age", 0), other)
    said = check_runs(read_runs([tmp_path]).runs)
    assert any("version of torch (2.14: 1 runs, 2.13: 1 runs)" in note for note in said)
    assert any("start weights" in note for note in said)


def test_a_setting_that_only_a_later_version_has_is_said(tmp_path: Path) -> None:
    later = record("age", 1)
    later["config"]["callbacks"]["attribute_geometry"]["further"] = []
    later["config"]["training"]["curves"] = 0
    save(tmp_path, record("age", 0), later)
    (said,) = check_runs(read_runs([tmp_path]).runs)
    assert said.startswith("only some runs know the settings callbacks.attribute_geometry.further")
    assert said.endswith("training.curves")


def test_missing_cells_are_named(tmp_path: Path) -> None:
    save(tmp_path, record("age", 0), record("age", 1), record("hue", 0))
    assert check_runs(read_runs([tmp_path]).runs) == ["missing: invariance, hue, seed 1"]
