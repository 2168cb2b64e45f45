from __future__ import annotations

import json
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import pytest
import yaml

from facegeom_lit.attributes import MEASURED, attribute, vocabulary
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.resources import resource
from facegeom_lit.synthesis.recipe import Recipe, recipe_from_config

PERSISTENT = [name for name, spec in vocabulary().items() if spec.varies == "identity"]


@pytest.fixture
def config() -> dict[str, Any]:
    text = (resource("conf") / "synthesis" / "renderer.yaml").read_text()
    return yaml.safe_load(text)


def test_training_spreads_the_target_evenly() -> None:
    recipe = Recipe("training", identities=5, images_per_identity=8, attribute="age")
    samples = recipe.samples()
    assert len(samples) == len(recipe) == 40
    for _, group in groupby(samples, lambda sample: sample.identity):
        of_one = list(group)
        strata = sorted(int((s.attributes["age"] - 18) / 62 * 8) for s in of_one)
        assert strata == list(range(8))
        assert len({s.seed for s in of_one}) == 8
        for name in set(PERSISTENT) - {"age"}:
            assert len({s.attributes[name] for s in of_one}) == 1
        assert len({s.attributes["pose"] for s in of_one}) == 8
    for sample in samples:
        for name, spec in vocabulary().items():
            spec.check(sample.attributes[name])
            if spec.varies == "never":
                assert sample.attributes[name] == spec.default


def test_the_same_person_in_every_recipe() -> None:
    training = Recipe("training", 4, first_identity=3, images_per_identity=2, attribute="hue")
    lattice = Recipe("lattice", 4, first_identity=5, nodes=1, measured=("pose",), seed=9)
    people = [
        {s.identity: [s.attributes[name] for name in PERSISTENT] for s in recipe.samples()}
        for recipe in (training, lattice)
    ]
    both = people[0].keys() & people[1].keys()
    assert both == {"r000005", "r000006"}
    assert all(people[0][name] == people[1][name] for name in both)


def test_lattice_moves_one_attribute_at_a_time() -> None:
    recipe = Recipe("lattice", 3, nodes=4, measured=(*MEASURED, "blur"))
    samples = recipe.samples()
    assert len(samples) == len(recipe) == 3 * 4 * 19
    for _, group in groupby(samples, lambda sample: (sample.identity, sample.node)):
        middle, *others = group
        assert (middle.moving, middle.step) == ("", 1)
        assert len(others) == 18
        for sample in others:
            changed = {n for n, v in sample.attributes.items() if v != middle.attributes[n]}
            assert changed == {sample.moving}
            spec = attribute(sample.moving)
            spec.check(sample.attributes[spec.name])
            distance = sample.attributes[spec.name] - middle.attributes[spec.name]
            assert distance == pytest.approx((sample.step - 1) * spec.step)
            assert (sample.seed, sample.identity_seed) == (middle.seed, middle.identity_seed)
    assert len({s.attributes["age"] for s in samples if not s.moving}) == 12


def test_parts_are_those_of_the_whole() -> None:
    recipe = Recipe("lattice", 3, nodes=4, measured=("age",))
    whole = recipe.samples()
    assert [s for start in range(0, 36, 7) for s in recipe.samples(start, start + 7)] == whole


def test_seed_and_values_are_those_of_the_first_release() -> None:
    sample = Recipe("training", 1, first_identity=7, images_per_identity=1).samples()[0]
    assert sample.identity == "r000007"
    assert sample.seed == 4271972777248313683
    assert sample.attributes["age"] == pytest.approx(26.58543403883441)


def test_hash_follows_what_decides_the_images() -> None:
    recipe = Recipe("training", 4, images_per_identity=2, attribute="hue")
    json.dumps(recipe.to_dict(), allow_nan=False)
    assert replace(recipe).hash == recipe.hash
    changes: list[dict[str, Any]] = [{"seed": 1}, {"attribute": "age"}, {"spread": 0.5}]
    changes += [{"persistent": {"age": (20.0, 30.0)}}, {"image_format": "png"}]
    changes += [{"specs": {**vocabulary(), "hue": replace(attribute("hue"), high=20.0)}}]
    hashes = {replace(recipe, **change).hash for change in changes} | {recipe.hash}
    assert len(hashes) == len(changes) + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "test"}, "kind must be one of .* got 'test'"),
        ({"identities": 0}, "identities must be a whole number of at least 1 .* got 0"),
        ({"identities": "x"}, "identities must be .* got 'x'"),
        ({"images_per_identity": 0}, "images_per_identity must be"),
        ({"seed": -1}, "seed must be"),
        ({"quality": 101}, "quality must be"),
        ({"attribute": "agee"}, r"Unknown attribute 'agee'\. Known: age, beard"),
        ({"image_format": "gif"}, "format must be one of .* got 'gif'"),
        ({"kind": "lattice", "nodes": 1}, "at least one measured attribute"),
        ({"kind": "lattice", "measured": ("age",)}, "nodes must be"),
        ({"kind": "lattice", "nodes": 1, "measured": ("age", "age")}, "an attribute twice: age"),
    ],
)
def test_faults_are_named(arguments: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {"kind": "training", "identities": 2, "images_per_identity": 3}
    with pytest.raises(FaceGeomError, match=message):
        Recipe(**{**values, **arguments})


def test_from_config(config: dict[str, Any]) -> None:
    sets = {
        kind: recipe_from_config(kind, config, attribute=attribute("age"))
        for kind in ("training", "lattice", "verification")
    }
    assert [recipe.split for recipe in sets.values()] == list(sets)
    assert [recipe.attribute for recipe in sets.values()] == ["age", None, None]
    assert sets["lattice"].measured == MEASURED
    people = [{s.identity for s in recipe.samples()} for recipe in sets.values()]
    assert len(set.union(*people)) == sum(map(len, people))
    beards = [s.attributes["beard"] for s in sets["verification"].samples()]
    assert 0.3 < sum(beard == 0 for beard in beards) / len(beards) < 0.7

    narrow = replace(attribute("age"), high=60.0)
    recipe = recipe_from_config("training", config, attribute=narrow)
    assert max(s.attributes["age"] for s in recipe.samples()) <= 60
    with pytest.raises(FaceGeomError, match="kind must be one of training, curves, lattice"):
        recipe_from_config("test", config)
    with pytest.raises(FaceGeomError, match=r"synthesis\.spread must be a finite number"):
        recipe_from_config("training", {**config, "spread": "wide"})
    with pytest.raises(FaceGeomError, match=r"synthesis\.persistent\.age must be \[low, high\]"):
        recipe_from_config("training", {**config, "persistent": {"age": [3]}})


def test_coverage_draws_every_facial_attribute_over_its_range_and_independently() -> None:
    recipe = Recipe("coverage", 200, images_per_identity=5, first_identity=40)
    samples = recipe.samples()
    values = {
        name: np.array([s.attributes[name] for s in samples]) for name in samples[0].attributes
    }
    for name, spec in vocabulary().items():
        if spec.kind == "image":
            assert (values[name] == spec.default).all()
            continue
        share = (values[name] - spec.low) / (spec.high - spec.low)
        if spec.default == spec.low:  # a face may lack it: glasses, beard
            assert 0.44 < (share == 0).mean() < 0.56
            share = share[share > 0]
        assert 0 <= share.min() < 0.02
        assert 0.98 < share.max() <= 1
        assert abs(share.mean() - 0.5) < 0.05
    facial = np.stack([values[n] for n, s in vocabulary().items() if s.kind == "facial"])
    correlation = np.corrcoef(facial)
    assert np.abs(correlation - np.eye(len(facial))).max() < 0.13
    assert recipe.samples(7, 9) == samples[7:9]
