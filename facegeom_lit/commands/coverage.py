"""The faces that a prior or a regressor learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.recipe import recipe_from_config
from facegeom_lit.training.sources import maker_of


def given_or_rendered(cfg: DictConfig, given: str | None) -> FaceSet:
    """Open the given face set, or make (or find in the cache) what `synthesis.coverage` says."""
    if given is not None:
        return FaceSet.open(Path(given).expanduser())
    synthesis: Any = OmegaConf.to_container(cfg.synthesis, resolve=True)
    recipe = recipe_from_config("coverage", synthesis, seed=cfg.seed)
    return prepare_face_set(recipe, maker_of(cfg.synthesis), Path(cfg.paths.cache) / "facesets")
