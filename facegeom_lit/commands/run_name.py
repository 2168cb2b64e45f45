"""A run's name follows from its configuration, so that a run finds its own folder again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from omegaconf import DictConfig, OmegaConf

from facegeom_lit import __version__
from facegeom_lit.resources import resource

SWEEP_VARIABLE = "FACEGEOM_SWEEP"
"""Environment variable with the folder of the sweep whose jobs are running."""

PLACES = ("hydra", "paths", "logger", "rerun", "export", "optimize")
"""Groups that say where and how a run is kept, not what it computes."""


def config_hash(cfg: DictConfig) -> str:
    """Return the hash of what a run computes: its configuration less `PLACES`, and the version."""
    content: Any = OmegaConf.to_container(cfg, resolve=False)
    content = {key: value for key, value in content.items() if key not in PLACES}
    text = json.dumps([__version__, content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def run_name(cfg: DictConfig) -> str:
    """Return e.g. `hair_color-iresnet_small-ArcFace-Invariance-seed0-1a2b3c4d`."""
    if cfg.job != "fine_tune":
        return f"{cfg.job}-seed{cfg.seed}-{config_hash(cfg)[:8]}"
    words = (cfg.head._target_, cfg.objective._target_)
    head, objective = (word.rsplit(".", 1)[-1] for word in words)
    parts = (cfg.attribute.name, cfg.backbone.name, head, objective, f"seed{cfg.seed}")
    return "-".join((*parts, config_hash(cfg)[:8]))


def register_resolvers() -> None:
    """Make `${facegeom.run_name:}` and `${facegeom.data:NAME}` known to OmegaConf."""

    def _run_name(*, _root_: DictConfig) -> str:
        return run_name(_root_)

    def _data(name: str) -> str:
        return str(resource("data") / name)

    OmegaConf.register_new_resolver("facegeom.run_name", _run_name, replace=True)
    OmegaConf.register_new_resolver("facegeom.data", _data, replace=True)
