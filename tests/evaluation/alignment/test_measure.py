from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation.alignment.made_models import FAST, made_set

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.alignment.cells import own_cells
from facegeom_lit.evaluation.alignment.families import families, largest_gap
from facegeom_lit.evaluation.alignment.indices import indices_notes, similarity_indices
from facegeom_lit.evaluation.alignment.ladders import ladders
from facegeom_lit.evaluation.alignment.measure import (
    Part,
    assembled,
    joined,
    measure_pair,
    measure_set,
)
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import NATIVE, RECOVERED, Cell
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.alignment.settings import LadderSettings
from facegeom_lit.evaluation.alignment.store import kept_part, part_key
from facegeom_lit.evaluation.alignment.transfer import transfer_cells, transfer_notes
from facegeom_lit.geometry.identification import rank_k
from facegeom_lit.geometry.statistics import Interval

SHORT = replace(FAST, null_permutations=0, similarity_permutations=0)


def test_rotations_align_and_an_unrelated_model_is_apart() -> None:
    data = made_set()
    names = list(data.spaces)
    parts = [measure_set(data, FAST)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    parts += [measure_pair(Pair(*pair, [data]), FAST) for pair in pairs]
    result = assembled(parts, {"made": data}, FAST, cut=None, notes=("made: so",))
    assert result.models == ("one", "turned", "wide", "other")
    found = {(c.source, c.target, c.map): c for c in result.cells}
    assert len(found) == 4 + 12 * 3

    def value(*key: str, name: str = "rank1") -> float:
        figure = found[key[0], key[1], key[2]].figures[name].value
        assert figure is not None
        return figure

    native = value("one", "one", "native")
    for source in ("one", "turned", "wide"):
        for target in {"one", "turned", "wide"} - {source}:
            cell = found[source, target, "procrustes"]
            assert cell.figures["rank1"].value == pytest.approx(native, abs=1e-9)
            assert cell.figures["recovered"].value == pytest.approx(1.0)
            assert cell.null is not None
            assert cell.null < 0.3
            assert cell.fitted == 48
            assert value(source, target, "none") < 0.5
        assert value(source, "other", "ridge", name="recovered") < 0.3
    assert found["one", "turned", "ridge"].ridge is not None
    for each in result.families:
        assert each.family[:3] == (each.family[0],) * 3
        assert each.family[3] != each.family[0]
        assert each.matrix[0, 0] == native
    index = {(i.first, i.second, i.name): i for i in result.indices}
    assert index["one", "wide", "cka"].value.value == pytest.approx(1.0, abs=1e-5)
    assert (index["one", "other", "cka"].value.value or 0) < 0.6
    assert result.notes == ("made: so", "made: similarity indices are of the people who judge")
    assert result.sets["made"]["judging_images"] == 48


def test_cells_are_what_a_plain_search_says() -> None:
    data = made_set(models=("one", "wide"))
    pair = Pair("one", "wide", [data])
    cells = {(c.source, c.map): c for c in own_cells(pair, SHORT)}
    x, y = (data.spaces[name].points[data.fit].double().numpy() for name in ("one", "wide"))
    w = np.linalg.svd((x - x.mean(0)).T @ (y - y.mean(0)), full_matrices=False)
    rotation = w[0] @ w[2]
    rows = data.judging.rows
    mapped = (data.spaces["one"].points[rows].double().numpy() - x.mean(0)) @ rotation + y.mean(0)
    labels, judge = data.labels[rows], data.judging.judge
    gallery = data.spaces["wide"].points[rows].double()
    expected = rank_k(
        gallery[judge.gallery],
        labels[judge.gallery],
        torch.from_numpy(mapped)[judge.probes],
        labels[judge.probes],
    )
    figures = cells["one", "procrustes"].figures
    assert (figures["rank1"].value, figures["rank5"].value) == (expected[1], expected[5])


def test_maps_serve_on_another_set() -> None:
    models = ("one", "turned", "other")
    first = made_set("first", models)
    second = made_set("second", models, seed=1, first=100)
    cells = transfer_cells(Pair("one", "turned", [first, second]), SHORT)
    assert {(c.fitted_on, c.judged_on) for c in cells} == {("first", "second"), ("second", "first")}
    assert all(c.figures["recovered"].value == pytest.approx(1.0) for c in cells)
    assert transfer_notes([first, second]) == []
    unrelated = transfer_cells(Pair("one", "other", [first, second]), SHORT)
    assert max(c.figures["recovered"].value or 0 for c in unrelated) < 0.3
    assert transfer_cells(Pair("one", "turned", [first]), SHORT) == []


def test_whoever_fits_a_map_does_not_judge_it_elsewhere() -> None:
    first = made_set("first", ("one", "turned"))
    # Half as many people: the border of the draw lies elsewhere, so some fit here and judge there.
    second = made_set("second", ("one", "turned"), people=12, seed=1)
    both = [(a, b) for a, b in ((first, second), (second, first)) if b.shared_with(a)]
    assert both
    for fitted_on, judged_on in both:
        judging = judged_on.judging_for(fitted_on)
        assert judging is not None
        names = {judged_on.people[i] for i in judging.labels.tolist()}
        assert names.isdisjoint(fitted_on.fitting_people)
        assert names == {
            judged_on.people[i] for i in judged_on.judging.labels.tolist()
        } - judged_on.shared_with(fitted_on)
    assert "people who fitted them are left out, e.g. p" in transfer_notes([first, second])[0]
    everybody = replace(SHORT, fit_share=0.9)
    crowd = made_set("crowd", ("one", "turned"), settings=everybody)
    assert second.judging_for(crowd) is None
    assert {c.judged_on for c in transfer_cells(Pair("one", "turned", [crowd, second]), SHORT)} == {
        "crowd"
    }
    assert "not measured, for nearly all who would judge" in transfer_notes([crowd, second])[0]


def test_curves_rise_to_the_whole_map() -> None:
    data = made_set(models=("one", "wide"))
    settings = replace(SHORT, ladders=LadderSettings(pairs=(("wide", "one"),), subsets=2))
    pair = Pair("one", "wide", [data])
    rank, anchors = ladders(pair, settings)
    assert (rank.source, rank.target, rank.kind, rank.steps) == (
        "wide",
        "one",
        "rank",
        (1, 2, 4, 8),
    )
    values = [step.value for step in rank.figures]
    assert values[0] < values[2] <= values[3] == rank.native  # type: ignore[operator]
    assert (anchors.kind, anchors.map, anchors.steps) == ("anchors", "ridge", (16, 32, 48))
    cell = next(c for c in own_cells(pair, settings) if (c.source, c.map) == ("wide", "ridge"))
    assert anchors.figures[-1].value == cell.figures["rank1"].value
    assert anchors.figures[0].low <= anchors.figures[0].value <= anchors.figures[0].high  # type: ignore[operator]
    none = replace(settings, ladders=LadderSettings(pairs=()))
    assert ladders(pair, none) == []
    given = LadderSettings(ranks=(3, 20), anchors=(10, 99), maps=("procrustes",), subsets=1)
    steps = [ladder.steps for ladder in ladders(pair, replace(settings, ladders=given))]
    assert steps == [(3,), (3,), (10,), (10,)]


def test_a_model_of_two_dimensions_is_two_models() -> None:
    first, second = made_set("first", ("one", "wide")), made_set("second", ("one",))
    second.add("wide", torch.randn(96, 5), "cosine")
    with pytest.raises(FaceGeomError, match=r"wide has .*different dimensions \(12 in first, 5 in"):
        Pair("one", "wide", [first, second])


def test_families_need_every_pair() -> None:
    data = made_set(models=("one", "turned"))
    cells = own_cells(Pair("one", "turned", [data]), SHORT)
    assert families(cells, ["one", "turned"], "made", "ridge") is None  # native is not there
    parts = [measure_set(data, SHORT), Part(cells=tuple(cells[1:]))]
    result = assembled(parts, {"made": data}, SHORT, cut=None, notes=())
    assert [f.map for f in result.families] == ["procrustes", "ridge"]
    assert result.families[0].family == (1, 1)


def test_a_tree_is_cut_in_its_widest_gap_or_where_it_is_said() -> None:
    assert largest_gap(np.array([0.02, 0.09])) == 0.1  # all align: one family
    assert largest_gap(np.array([0.9, 0.95])) == pytest.approx(0.45)  # none does: all apart
    assert largest_gap(np.array([0.1, 0.8])) == pytest.approx(0.45)
    data = made_set(models=("one", "other"))
    parts = [measure_set(data, SHORT), measure_pair(Pair("one", "other", [data]), SHORT)]
    cut = [
        assembled(parts, {"made": data}, SHORT, cut=cut, notes=()).families[0].family
        for cut in (None, 2.0)
    ]
    assert len(set(cut[0])) == 2
    assert cut[1] == (1, 1)


def test_a_share_beyond_native_or_no_map_moves_no_models_further() -> None:
    shares = {("a", "b"): -39.0, ("b", "a"): 0.9, ("a", "c"): 0.2, ("c", "a"): 1.6}
    shares |= {("b", "c"): -3.0, ("c", "b"): -0.1}
    cells = [
        Cell(*pair, "ridge", "set", "set", {RECOVERED: interval(share), "rank1": interval(0.5)})
        for pair, share in shares.items()
    ]
    cells += [Cell(m, m, NATIVE, "set", "set", {"rank1": interval(0.9)}) for m in "abc"]
    found = families(cells, "abc", "set", "ridge")
    assert found is not None
    assert found.distance == pytest.approx(np.array([[0, 0.55, 0.4], [0.55, 0, 1], [0.4, 1, 0]]))


def interval(value: float) -> Interval:
    return Interval(value, None, None, 9)


def test_few_images_allow_fewer_neighbours_or_none() -> None:
    settings = replace(SHORT, similarity_permutations=2, neighbors=10)
    for people, images, said in (
        (4, 3, ["made: too few images judge for similarity indices"]),
        (
            6,
            2,
            ["made: similarity indices are of the people who judge, and of only k=2 neighbours"],
        ),
        (10, 4, ["made: similarity indices are of the people who judge"]),
    ):
        data = made_set(models=("one", "turned"), people=people, images=images)
        assert indices_notes(data, settings) == said
        found = similarity_indices(Pair("one", "turned", [data]), settings)
        assert len(found) == (0 if "too few" in said[0] else 3)
    few = made_set(models=("one",), people=30, images=6)
    keep = (few.labels > 20) | (torch.arange(len(few.labels)) % 3 == 0)
    uneven = AlignmentSet(
        "uneven", few.labels[keep], few.people, fit_share=0.5, settings=SHORT.judge, seed=0
    )
    assert "p of the similarity indices is too small" in indices_notes(uneven, settings)[1]


def test_parts_are_kept_whole_and_measured_anew_where_they_are_damaged(tmp_path: Path) -> None:
    data = made_set(models=("one", "turned"))
    pair = Pair("one", "turned", [data])
    key = part_key("pair", ("one", "turned"), [data], FAST)
    part = kept_part(tmp_path, key, lambda: measure_pair(pair, FAST))
    assert part.cells
    assert part.ladders
    assert part.indices
    again = kept_part(tmp_path, key, lambda: pytest.fail("it was measured before"))
    assert asdict(again) == asdict(part)
    (file,) = tmp_path.iterdir()
    for text in ("{", "{}", "[]", "3", '{"cells": 4}'):
        file.write_text(text)
        assert kept_part(tmp_path, key, lambda: Part()) == Part()
    assert joined([part, Part()]) == part
    assert part_key("pair", ("one", "turned"), [data], replace(FAST, seed=1)) != key
    assert part_key("set", ("one", "turned"), [data], FAST) != key  # a set may have two models
    data.add("turned", data.spaces["one"].points, "cosine")
    assert part_key("pair", ("one", "turned"), [data], FAST) != key
