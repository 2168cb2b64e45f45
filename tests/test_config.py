from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from facegeom_lit.attributes import MEASURED
from facegeom_lit.commands.run_name import config_hash, register_resolvers, run_name
from facegeom_lit.resources import resource

README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
CONF = resource("conf")
GROUPS = {
    folder.name: sorted(file.stem for file in folder.glob("*.yaml"))
    for folder in CONF.iterdir()
    if folder.is_dir()
}
COMMAND_OF = {"detector": "crop"}  # groups that train.py has no use for
CHOICES = [f"{group}={name}" for group, names in sorted(GROUPS.items()) for name in names]


def composed(*overrides: str, name: str = "config"):
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, overrides=list(overrides))


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_composes(choice: str) -> None:
    cfg = composed(choice, name=COMMAND_OF.get(choice.partition("=")[0], "config"))
    assert cfg.get("seed", 0) >= 0


@pytest.mark.parametrize(
    "file", sorted(CONF.rglob("*.yaml")), ids=lambda f: f"{f.parent.name}/{f.stem}"
)
def test_every_file_says_what_it_is(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("# "), file
    assert yaml.safe_load(text) is not None


def test_the_name_of_a_run_follows_from_what_it_computes() -> None:
    first, again = composed("attribute=age"), composed("attribute=age")
    assert run_name(first) == run_name(again)
    assert run_name(first).startswith("age-iresnet_small-ArcFace-Invariance-seed0-")
    assert config_hash(first) != config_hash(composed("attribute=age", "training.lr=1e-4"))
    assert config_hash(first) != config_hash(composed("attribute=age", "seed=1"))
    for elsewhere in ("paths.output=/elsewhere", "logger=csv", "rerun=true", "export=/there"):
        assert config_hash(first) == config_hash(composed("attribute=age", elsewhere))


def test_the_default_measured_set_is_that_of_the_study() -> None:
    assert tuple(composed().evaluation.measured) == MEASURED


@pytest.mark.parametrize(
    "line",
    sorted(set(re.findall(r"^python train\.py (.*?)(?:#.*)?$", README.replace("\\\n", " "), re.M))),
)
def test_every_command_of_the_readme_composes(line: str) -> None:
    words = shlex.split(line)
    if "-m" in words:
        words = [word.split(",")[0] for word in words if word != "-m"]
    composed(*words)
