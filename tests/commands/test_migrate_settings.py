from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.commands.composition import compose_config
from facegeom_lit.commands.migrate_settings import (
    check_both_models,
    check_figure,
    galleries_of,
    judging_of,
    method_of,
    new_map_path,
    task_of,
)
from facegeom_lit.errors import FaceGeomError

FIT = {"anchors": "f", "old": "absent", "new": "b", "map": "m.safetensors"}


@pytest.fixture(scope="module")
def defaults() -> DictConfig:
    return compose_config("migrate", [])


def changed(defaults: DictConfig, **keys: Any) -> DictConfig:
    cfg = deepcopy(defaults)
    for key, value in keys.items():
        OmegaConf.update(cfg, key.replace("__", "."), value, merge=False)
    return cfg


def test_each_task_is_known_by_its_keys(defaults: DictConfig) -> None:
    pair = {"old": "a", "new": "b", "map": "m"}
    assert task_of(changed(defaults, map="m")) == "card"
    assert task_of(changed(defaults, **FIT)) == "fit"
    assert task_of(changed(defaults, embeddings={"path": "f"}, **pair)) == "fit"
    assert task_of(changed(defaults, verify="f", **pair)) == "verify"
    assert task_of(changed(defaults, gallery=["f"], output="o", map="m")) == "apply"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "map is not set"),
        ({"old": "a", "new": "b"}, "nothing to fit a map on"),
        ({"anchors": "f", "embeddings": "g"}, "anchors and embeddings are both given"),
        ({"anchors": "f", "gallery": "g"}, "anchors and gallery are both given"),
        ({"anchors": "f", "map": "m", "old": "a"}, "new is not set for anchors"),
        ({"gallery": "f", "map": "m"}, "output is not set for gallery"),
        ({"gallery": "f", "map": "m", "output": "o", "old": "a"}, "gallery does not use it"),
        ({"map": "m", "output": "o"}, "output is given, but map alone does not use it"),
        ({"map": "m", "anchor_names": "drop"}, "anchor_names must be leave_out or keep"),
        ({"map": "m", "judges": 1.5}, "judges must be a number from 0.01 to 0.99"),
        (FIT | {"map": "m.npz"}, r"must end in \.safetensors"),
        (FIT | {"rank": 4}, "rank=4 belongs to method=low_rank"),
        (FIT | {"rank": 0, "method": "low_rank"}, "rank must be a whole number at least 1"),
        (FIT | {"ridge": "x"}, "ridge must be a number"),
        (FIT | {"fars": [2]}, "fars must be a list of rates"),
        (FIT | {"fars": None}, "fars must be a list of rates"),
        (FIT | {"needed__figure": "auc"}, "needed.figure must be one of rank1, tar@1e-2"),
        (FIT, "old: absent does not exist"),
    ],
)
def test_what_contradicts_itself_is_refused(
    defaults: DictConfig, keys: dict[str, Any], message: str
) -> None:
    cfg = changed(defaults, **keys)

    def check() -> None:
        for step in (task_of, method_of, judging_of, new_map_path, check_both_models):
            step(cfg)

    with pytest.raises(FaceGeomError, match=message):
        check()


def test_galleries_have_their_own_outputs(defaults: DictConfig, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "g.npy", np.ones((2, 3), np.float32))
    np.savez(tmp_path / "two.npz", x=np.ones((2, 3)), y=np.zeros((2, 4)))
    first, second = (str(tmp_path / folder / "g.npy") for folder in "ab")

    def outputs(gallery: Any) -> list[str]:
        found = galleries_of(changed(defaults, gallery=gallery, output=str(tmp_path / "out")))
        return [str(path.relative_to(tmp_path)) for _, path in found]

    assert outputs(first) == ["out"]
    assert outputs([first]) == ["out/g.npy"]
    assert outputs({"a": first, "b": second}) == ["out/a.npy", "out/b.npy"]
    assert outputs({"path": str(tmp_path / "two.npz"), "key": "y"}) == ["out"]
    with pytest.raises(FaceGeomError, match="two entries that would be called 'g'"):
        outputs([first, second])
    with pytest.raises(FaceGeomError, match="gallery is an empty list"):
        outputs([])
    with pytest.raises(FaceGeomError, match="unknown key 'keys'"):
        outputs({"path": first, "keys": "y"})
    (tmp_path / "out").touch()
    with pytest.raises(FaceGeomError, match="several galleries need a folder"):
        outputs([first])


@pytest.mark.parametrize("gallery", [5, {"path": 5}, [3]])
def test_a_gallery_is_a_path(defaults: DictConfig, gallery: Any) -> None:
    with pytest.raises(FaceGeomError, match=r"must be one path|must hold paths"):
        galleries_of(changed(defaults, gallery=gallery, output="o"))


def test_a_map_is_verified_by_the_figure_of_its_card(defaults: DictConfig) -> None:
    check_figure(defaults, "tar@1e-2")
    with pytest.raises(FaceGeomError, match="does not measure tar@1e-5"):
        check_figure(defaults, "tar@1e-5")


@pytest.mark.parametrize("override", ["+foo=1", "paths.cache=null"])
def test_keys_that_nothing_reads_and_no_cache_are_refused(override: str) -> None:
    with pytest.raises(FaceGeomError, match=r"nothing reads|must be a folder"):
        compose_config("migrate", [override])
