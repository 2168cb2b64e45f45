"""The files of `conf/gates` make what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate

from facegeom_lit.commands.run_name import register_resolvers
from facegeom_lit.resources import resource


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("none", []),
        ("identity", ["identity"]),
        ("default", ["identity", "attribute"]),
        ("clip", ["identity", "clip"]),
    ],
)
def test_choices(choice: str, names: list[str], tmp_path: Path) -> None:
    register_resolvers()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(resource("conf")), version_base="1.3"):
        cfg = compose("generate", overrides=[f"gates={choice}"])
    gates = {name: instantiate(node) for name, node in cfg.gates.items()}
    assert list(gates) == names
