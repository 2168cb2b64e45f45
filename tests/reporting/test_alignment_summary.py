from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest
from reporting.alignment_examples import (
    MAPS,
    NAMES,
    UNDEFINED,
    example,
    interval,
    native,
    recovered,
)

from facegeom_lit.evaluation.alignment.result import Alignment, Cell
from facegeom_lit.reporting.alignment_summary import (
    hardest_far,
    matrix_of,
    ordered_models,
    recovered_both_ways,
    sentences,
    shown_map,
    summaries,
    within,
)
from facegeom_lit.reporting.alignment_transfer import transfer_maps, transfers

SETS = ("lfw", "att")


def test_medians_over_pairs() -> None:
    rows = [row for row in summaries(example(9, SETS)) if row.set == "lfw"]
    assert [row.map for row in rows] == ["none", *MAPS, "native"]
    pairs = list(permutations(range(9), 2))
    low = np.array([0.004 + 0.001 * (source % 4) for source, _ in pairs])
    high = np.array([native(target) for _, target in pairs])
    share = 0.97 * np.array([recovered(*pair) for pair in pairs])
    ridge = next(row for row in rows if row.map == "ridge")
    assert ridge.pairs == 72
    assert ridge.rank1 == pytest.approx(np.median(low + share * (high - low)))
    assert ridge.recovered == pytest.approx(np.median(share))
    assert (ridge.far, ridge.null) == ("1e-3", pytest.approx(0.007))
    assert rows[-1].pairs == 9
    assert rows[-1].rank1 == pytest.approx(np.median([native(index) for index in range(9)]))


def test_the_sentence() -> None:
    first, second = sentences(example(2, SETS))
    assert first.startswith("lfw: rank-1 of one model's faces in another's gallery: 0.00")
    assert " unaligned, " in first
    assert first.endswith("(medians over 2 pairs of models); native 0.880 (median over 2 models).")
    assert second.startswith("att: ")


def test_nothing_measured_says_nothing() -> None:
    nothing = Alignment(NAMES[:2], {"lfw": {}}, ())
    assert sentences(nothing) == summaries(nothing) == transfers(nothing) == []


def test_the_hardest_far_is_one_that_every_cell_supports() -> None:
    cells = within(example(2, SETS), "lfw")
    assert hardest_far(cells) == "tar@1e-3"
    less = replace(cells[0], figures={**cells[0].figures, "tar@1e-3": UNDEFINED})
    assert hardest_far([less, *cells[1:]]) == "tar@1e-2"
    assert hardest_far([replace(cell, figures={}) for cell in cells]) is None


def test_a_matrix_has_native_on_its_diagonal_and_nan_where_nothing_is() -> None:
    cells = [
        Cell("a", "a", "native", "s", "s", {"rank1": interval(0.9)}),
        Cell("a", "b", "ridge", "s", "s", {"rank1": interval(0.7)}),
        Cell("b", "a", "ridge", "s", "s", {"rank1": UNDEFINED}),
        Cell("b", "a", "none", "s", "s", {"rank1": interval(0.1)}),
    ]
    found = matrix_of(cells, ["a", "b"], "ridge", "rank1")
    assert found == pytest.approx(np.array([[0.9, 0.7], [np.nan, np.nan]]), nan_ok=True)


def test_models_stand_as_the_leaves_of_the_tree() -> None:
    alignment = example(9, SETS)
    order = ordered_models(alignment, "lfw")
    assert sorted(order) == sorted(NAMES[:9])
    families = [NAMES.index(name) % 3 for name in order]
    assert len([1 for a, b in pairwise(families) if a != b]) == 2
    alone = replace(alignment, families=())
    assert ordered_models(alone, "lfw") == list(NAMES[:9])
    assert shown_map(alone, "lfw") == "ridge"


def test_recovered_of_both_directions() -> None:
    found = recovered_both_ways(example(3, SETS), "lfw", "ridge")
    expected = 0.97 * (recovered(0, 2) + recovered(2, 0)) / 2
    assert found[frozenset((NAMES[0], NAMES[2]))] == pytest.approx(expected)
    assert len(found) == 3


def test_transfer_is_the_mean_over_pairs() -> None:
    alignment = example(3, SETS)
    assert transfer_maps(alignment) == list(MAPS)
    rows = {(row.map, row.fitted_on, row.judged_on): row for row in transfers(alignment)}
    assert len(rows) == 2 * (2 + 2 * len(MAPS))
    share = np.mean([0.97 * recovered(*pair) for pair in permutations(range(3), 2)])
    assert rows["ridge", "lfw", "lfw"].recovered == pytest.approx(share)
    assert rows["ridge", "lfw", "att"].recovered == pytest.approx(0.9 * share)
    assert rows["ridge", "att", "lfw"].pairs == 6
    assert rows["native", "", "att"].pairs == 3
    assert transfer_maps(example(3, ("lfw",))) == []
