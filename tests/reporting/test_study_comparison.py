from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from reporting.study_records import ATTRIBUTES, AUGMENTATION, ENERGY, PEOPLE, PULL, record, save
from scipy import stats

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.statistics import bootstrap_interval
from facegeom_lit.reporting.study import Study, make_study
from facegeom_lit.reporting.study_changes import paired
from facegeom_lit.reporting.study_comparison import verdict
from facegeom_lit.reporting.study_runs import read_runs

Arms = Mapping[tuple[str, ...], tuple[float, float]]


def study(
    root: Path, arms: Arms, noise: float = 0.01, attributes=ATTRIBUTES, seeds=(0, 1)
) -> Study:
    """Runs whose mean change of energy, and change of AUC, are those given for each arm."""
    drawn = np.random.default_rng(0)
    for words, (energy, auc) in arms.items():
        for attribute in attributes:
            for seed in seeds:
                moved = energy + noise * drawn.standard_normal(len(PEOPLE))
                table = dict(zip(PEOPLE, moved.tolist(), strict=True))
                save(root, record(attribute, seed, words, energy=table, auc=auc))
    return make_study(read_runs([root]))


def test_the_arm_that_moves_its_target_most_wins(tmp_path: Path) -> None:
    arms = {AUGMENTATION: (0.10, 0.0), PULL: (0.20, 0.001), ENERGY: (0.15, 0.0)}
    (compared,) = study(tmp_path, arms).overall
    assert compared.arms == ("invariance", "energy", "invariance, pull=0")
    said = verdict(compared)
    assert said.startswith("'invariance' (+0.")
    assert "moves the energy of its target most, ahead of 'energy' by +0.0" in said
    assert all(pair.told_apart for pair in compared.pairs)


def test_arms_that_cannot_be_told_apart_have_no_winner(tmp_path: Path) -> None:
    arms = {AUGMENTATION: (0.10, 0.0), PULL: (0.101, 0.0)}
    (compared,) = study(tmp_path, arms, noise=0.05).overall
    assert verdict(compared).startswith("Nobody wins:")
    assert "not told apart from" in verdict(compared)


def test_a_change_that_may_be_zero_wins_nothing(tmp_path: Path) -> None:
    (compared,) = study(tmp_path, {AUGMENTATION: (0, 0), PULL: (0, 0)}, noise=0.1).overall
    assert "may be zero" in verdict(compared)


def test_few_attributes_have_no_winner(tmp_path: Path) -> None:
    arms = {AUGMENTATION: (0.1, 0.0), PULL: (0.9, 0.0)}
    (compared,) = study(tmp_path, arms, attributes=ATTRIBUTES[:5]).overall
    assert verdict(compared).startswith("Too few attributes")


def test_an_arm_that_costs_verification_is_not_compared_at_equal(tmp_path: Path) -> None:
    arms = {AUGMENTATION: (0.10, -0.001), PULL: (0.20, -0.010), ENERGY: (0.15, 0.0)}
    found = study(tmp_path, arms)
    assert found.augmentation == "invariance, pull=0"
    assert set(found.equal) == {"invariance, pull=0", "energy"}
    assert found.distances["invariance"].value == pytest.approx(-0.009)
    assert verdict(found.overall[0]).startswith("'invariance' (")
    assert verdict(found.at_equal[0]).startswith("'energy' (")


def test_an_arm_that_lowers_is_compared_by_how_far_it_goes(tmp_path: Path) -> None:
    (compared,) = study(tmp_path, {AUGMENTATION: (0.10, 0.0), ENERGY: (-0.30, 0.0)}).overall
    assert compared.means["energy", "energy"].value == pytest.approx(-0.3, abs=0.01)
    (pair,) = compared.pairs
    assert (pair.first, pair.second) == ("energy", "invariance, pull=0")
    assert pair.difference.value == pytest.approx(0.2, abs=0.01)


def test_an_arm_that_leads_on_other_attributes_alone_does_not_win(tmp_path: Path) -> None:
    easy, hard = ATTRIBUTES[:4], ATTRIBUTES[4:]
    for attribute in ATTRIBUTES:
        save(tmp_path, record(attribute, 0, PULL, energy=0.9 if attribute in easy else 0.1))
    for attribute in hard:
        save(tmp_path, record(attribute, 0, AUGMENTATION, energy=0.2))
    (compared,) = make_study(read_runs([tmp_path])).overall
    assert compared.arms[0] == "invariance"
    assert compared.pairs[0].difference.value == pytest.approx(-0.1)
    assert verdict(compared).startswith("Nobody wins:")


def test_pairs_agree_with_scipy_on_plain_arrays(tmp_path: Path) -> None:
    drawn = np.random.default_rng(1)
    values = drawn.standard_normal((2, len(ATTRIBUTES), 3, len(PEOPLE)))  # arm, attribute, seed
    for arm, words in enumerate((AUGMENTATION, PULL)):
        for a, attribute in enumerate(ATTRIBUTES):
            for seed in range(3):
                table = dict(zip(PEOPLE, values[arm, a, seed].tolist(), strict=True))
                save(tmp_path, record(attribute, seed, words, energy=table))
    (compared,) = make_study(read_runs([tmp_path])).overall
    (pair,) = compared.pairs
    means = {
        name: np.asarray(values[arm].mean((1, 2)))
        for arm, name in enumerate(("invariance, pull=0", "invariance"))
    }
    own = {name: np.sign(mean.mean()) * mean for name, mean in means.items()}
    plain = own[pair.first] - own[pair.second]
    assert pair.p == pytest.approx(stats.wilcoxon(plain).pvalue)
    assert pair.p_holm == pair.p
    expected = bootstrap_interval(torch.from_numpy(plain))
    assert pair.difference.value == pytest.approx(expected.value)
    for name, mean in means.items():
        assert compared.means[name, "energy"].value == pytest.approx(mean.mean())


def test_only_shared_seeds_and_identities_are_paired(tmp_path: Path) -> None:
    save(tmp_path, record("age", 0, PULL, energy={"a": 1.0, "b": 5.0}))
    save(tmp_path, record("age", 1, PULL, energy={"a": 9.0}))
    save(tmp_path, record("age", 0, AUGMENTATION, energy={"a": 0.5, "c": 7.0}))
    found = make_study(read_runs([tmp_path]))
    changes = {c.arm: c for c in found.changes if c.measure == "energy"}
    assert paired(changes["invariance"], changes["invariance, pull=0"]) == 0.5
    assert any("missing: invariance, pull=0, age, seed 1" in note for note in found.notes)


def test_the_interval_holds_every_seed(tmp_path: Path) -> None:
    save(tmp_path, record("age", 0, energy=0.1, auc=0.02), record("age", 1, energy=0.3, auc=-0.04))
    changes = {c.measure: c.cell for c in make_study(read_runs([tmp_path])).changes}
    energy, auc = changes["energy"], changes["auc"]
    assert (energy.value, energy.low, energy.high) == pytest.approx((0.2, 0.1, 0.3))
    # Ends: the mean of both runs' intervals, ±0.01 about -0.01, widened to the seeds.
    assert (auc.value, auc.low, auc.high) == pytest.approx((-0.01, -0.04, 0.02))


def test_the_matrix_has_a_row_for_each_target_in_the_order_of_columns(tmp_path: Path) -> None:
    found = study(tmp_path, {PULL: (0.2, 0.0)}, noise=0.0)
    cells = found.matrices["energy", "invariance"]
    assert list(dict.fromkeys(row for row, _ in cells)) == list(ATTRIBUTES)
    for (row, column), cell in cells.items():
        assert cell.value == pytest.approx(0.2 if row == column else 0.0)
    assert list(found.matrices) == [("energy", "invariance")]  # no exact lattice: no matrix


def test_baseline_runs_and_unmeasured_targets_are_said(tmp_path: Path) -> None:
    save(tmp_path, record("none", 0), record("blur", 0, measured=("age", "hue")))
    found = make_study(read_runs([tmp_path]))
    assert [note.split(":")[0] for note in found.notes] == ["invariance, blur", "invariance, none"]
    assert {row for row, _ in found.matrices["energy", "invariance"]} == {"none", "blur"}
    assert found.overall == ()


def test_the_augmentation_arm_is_found_or_asked_for(tmp_path: Path) -> None:
    save(tmp_path, record("age", 0, PULL), record("age", 0, ENERGY))
    found = make_study(read_runs([tmp_path]))
    assert found.augmentation is None
    assert not found.at_equal
    assert make_study(read_runs([tmp_path]), "energy").augmentation == "energy"
    with pytest.raises(FaceGeomError, match=r"is no arm of these runs\. Arms: "):
        make_study(read_runs([tmp_path]), "pull")
    save(tmp_path, record("age", 0, AUGMENTATION), record("age", 0, ("objective=none",)))
    with pytest.raises(
        FaceGeomError, match="all the identity loss alone: invariance, pull=0; none"
    ):
        make_study(read_runs([tmp_path]))
