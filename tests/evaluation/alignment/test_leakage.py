from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from time import sleep

import numpy as np
import pytest
import torch
from evaluation.alignment.made_models import FAST, made_models, made_set

from facegeom_lit.evaluation.alignment.leakage import leakage, leakage_notes
from facegeom_lit.evaluation.alignment.once import Once
from facegeom_lit.evaluation.alignment.pair import Pair
from facegeom_lit.evaluation.alignment.result import Leakage
from facegeom_lit.evaluation.alignment.section_settings import LeakageSettings
from facegeom_lit.evaluation.alignment.sets import AlignmentSet
from facegeom_lit.evaluation.attribute_sets import LabelledAttributes

PROCRUSTES = LeakageSettings(attributes=None, map="procrustes")


def labelled_set(models: tuple[str, ...] = ("one", "turned", "other")) -> AlignmentSet:
    """48 people of 6 images; `shown` is in the embeddings of `one` and its rotations."""
    data = made_set(models=models, people=48, images=6)
    latent = made_models(people=48, images=6)[1]["one"]
    g = np.random.default_rng(5)
    rare = np.zeros(len(latent))
    rare[:12] = 1  # two people
    values = {
        "shown": (latent[:, 0] > 0.6).astype(float),
        "random": g.integers(0, 2, size=48)[data.labels.numpy()].astype(float),
        "sloping": latent[:, 1],
        "rare": rare,
        "constant": np.ones(len(latent)),
    }
    data.labelled = LabelledAttributes(
        data.labels, {name: torch.from_numpy(v).float() for name, v in values.items()}
    )
    return data


def read(data: AlignmentSet, target: str, wanted: LeakageSettings) -> dict[str, Leakage]:
    rows = leakage(Pair("one", target, [data]), replace(FAST, leakage=wanted))
    return {row.attribute: row for row in rows if row.source == "one"}


def test_a_probe_of_the_target_reads_what_an_exact_map_brings() -> None:
    data = labelled_set()
    rows = read(data, "turned", PROCRUSTES)
    assert list(rows) == ["shown", "random", "sloping"]
    for row in rows.values():
        # The mapped templates are the target's own but for rounding.
        for own in (row.source_native, row.target_native, row.mapped):
            assert row.crossed.value == pytest.approx(own.value, abs=0.02)
        assert row.crossed.count == (18 if row.attribute == "sloping" else 24)  # thirds
    assert rows["shown"].crossed.value > 0.85  # type: ignore[operator]
    assert rows["sloping"].crossed.value > 0.85  # type: ignore[operator]
    assert rows["random"].crossed.value < 0.7  # type: ignore[operator]
    assert rows["shown"].crossed.low <= rows["shown"].crossed.value  # type: ignore[operator]
    assert (rows["shown"].map, rows["shown"].set) == ("procrustes", "made")
    # What the other model does not see, its probe does not read, though the source shows it.
    blind = read(data, "other", PROCRUSTES)["shown"]
    assert blind.source_native.value > 0.85  # type: ignore[operator]
    assert blind.mapped.value > 0.8  # type: ignore[operator]
    assert blind.crossed.value < 0.7  # type: ignore[operator]
    assert blind.target_native.value < 0.7  # type: ignore[operator]


def test_attributes_dealt_anew_give_chance() -> None:
    data = labelled_set(("one", "turned"))
    generator, has = torch.Generator().manual_seed(0), torch.arange(48) < 15
    people = [has[torch.randperm(48, generator=generator)] for _ in range(14)]
    values = {f"{i}": of_person[data.labels].float() for i, of_person in enumerate(people)}
    data.labelled = LabelledAttributes(data.labels, values)
    rows = read(data, "turned", PROCRUSTES)
    assert len(rows) > 10
    for kind in ("target_native", "crossed"):
        values_of = [getattr(row, kind).value for row in rows.values()]
        assert np.mean(values_of) == pytest.approx(rows["0"].chance, abs=0.06)


def test_which_attributes_and_pairs_are_read_is_said() -> None:
    data = labelled_set()
    settings = replace(FAST, leakage=PROCRUSTES)
    (note,) = leakage_notes(data, settings)
    assert note.startswith(
        "made: no probe reads attributes with or without which fewer than 5 people"
    )
    assert note.endswith(("rare (0), constant (0)", "rare (1), constant (0)"))
    most_even = replace(PROCRUSTES, attributes=1, pairs=(("one", "turned"),))
    rows = leakage(Pair("one", "turned", [data]), replace(FAST, leakage=most_even))
    assert [(row.attribute, row.source, row.chance) for row in rows] == [("sloping", "one", 0.5)]
    note = leakage_notes(data, replace(FAST, leakage=most_even))[0]
    assert note == "made: probes read 1 of 5 attributes, the most evenly divided ones"
    for nothing in (replace(PROCRUSTES, attributes=()), replace(PROCRUSTES, attributes=0)):
        assert read(data, "turned", nothing) == {}
        assert leakage_notes(data, replace(FAST, leakage=nothing)) == []
    assert read(made_set(models=("one", "turned")), "turned", PROCRUSTES) == {}


def test_many_threads_make_a_thing_once() -> None:
    once, number = Once(), count()

    def make() -> int:
        sleep(0.01)
        return next(number)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: once("key", make), range(16))) == {0}
    with pytest.raises(ZeroDivisionError):
        once("wrong", lambda: 1 // 0)
    assert once("wrong", lambda: 5) == 5
