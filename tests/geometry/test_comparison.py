from __future__ import annotations

import pytest
import torch
from scipy import stats

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.geometry.comparison import compare, comparison_columns
from facegeom_lit.geometry.statistics import holm, paired_interval

NAN = float("nan")


def samples() -> dict[str, dict[str, torch.Tensor]]:
    """Three models under two attributes, on the same 25 people."""
    g = torch.Generator().manual_seed(0)
    people = torch.randn(25, generator=g)
    return {
        attribute: {
            model: people + shift * k + 0.1 * torch.randn(25, generator=g)
            for k, model in enumerate(("a", "b", "c"))
        }
        for attribute, shift in (("pose", 0.0), ("age", 0.4))
    }


def test_every_pair_of_every_group_is_tested_once_as_one_family() -> None:
    given = samples()
    found = compare(given)
    named = [(c.group, c.first, c.second) for c in found]
    assert named == [
        (group, *pair) for group in ("pose", "age") for pair in (("a", "b"), ("a", "c"), ("b", "c"))
    ]
    sides = [[given[g][name].double().numpy() for name in (x, y)] for g, x, y in named]
    expected_u = [stats.mannwhitneyu(*side) for side in sides]
    expected_w = [stats.wilcoxon(*side) for side in sides]
    for tests, expected in (
        ([c.mann_whitney for c in found], expected_u),
        ([c.signed_rank for c in found], expected_w),
    ):
        assert [t.statistic for t in tests] == [e.statistic for e in expected]
        assert [t.p for t in tests] == [e.pvalue for e in expected]
        assert [t.corrected for t in tests] == holm([e.pvalue for e in expected])
    assert found[3].difference == paired_interval(given["age"]["b"], given["age"]["a"])
    # What the same people share hides the change from the first test, not from the second.
    assert found[3].signed_rank.stars == "***"
    assert found[3].mann_whitney.stars == ""
    assert found[0].signed_rank.stars == ""


def test_what_has_no_value_has_no_test_and_counts_in_no_family() -> None:
    given = samples()
    given["pose"]["c"] = torch.full((25,), NAN)
    given["age"]["c"][:24] = NAN
    found = {(c.group, c.first, c.second): c for c in compare(given)}
    undefined = found["pose", "a", "c"]
    assert (undefined.mann_whitney, undefined.signed_rank, undefined.second_mean) == (None,) * 3
    assert undefined.difference.count == 0
    tests = [c.mann_whitney for c in found.values() if c.mann_whitney]
    assert [t.corrected for t in tests] == holm([t.p for t in tests])
    assert len(tests) == 4


def test_the_table_has_a_row_for_each() -> None:
    given = samples()
    given["pose"]["c"] = torch.full((25,), NAN)
    found = compare(given, resamples=100)
    columns = comparison_columns(found)
    assert {len(column) for column in columns.values()} == {6}
    assert columns["group"][:1] == ["pose"]
    assert columns["identities"] == [25, 0, 0, 25, 25, 25]
    assert columns["mann_whitney_p"][1] is None
    assert columns["signed_rank_corrected"][3] == found[3].signed_rank.corrected
    assert comparison_columns([]) == {}


def test_samples_of_other_people_are_refused() -> None:
    with pytest.raises(FaceGeomError, match="same identities"):
        compare({"pose": {"a": torch.ones(3), "b": torch.ones(4)}})
