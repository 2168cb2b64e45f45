"""Models and sets as a command line names them: `model=... data=... embeddings=...`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from facegeom_lit.commands.composition import compose_config
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.models.storage import HUB

SOURCES = ("model", "data", "embeddings")
EMBEDDED = ("iresnet_small", "mobilefacenet")
"""The models that come with the package, measured where none is named."""
RENDERED = "rendered"
"""Name of the set that is made where no set is given."""


def compose_with_sources(name: str, overrides: Sequence[str]) -> DictConfig:
    """Compose `conf/<name>.yaml`, with the models and sets on the command line put in.

    They are parsed here since `data` is a group of `train.py`'s configuration, so that Hydra would
    look for a file of that name.

    Raises:
        FaceGeomError: When a key does not exist, or an entry cannot be parsed.
    """
    sources = [o for o in overrides if o.lstrip("+").split("=")[0].split(".")[0] in SOURCES]
    cfg = compose_config(name, [o for o in overrides if o not in sources])
    OmegaConf.set_struct(cfg, False)
    try:
        for override in OverridesParser.create().parse_overrides(sources):
            OmegaConf.update(cfg, override.key_or_group, override.value(), merge=False)
        OmegaConf.resolve(cfg)
    except (HydraException, OmegaConfBaseException) as error:
        raise FaceGeomError(
            f"Cannot read {' '.join(sources)}: {str(error).splitlines()[0]}. Write a path, "
            "[a, list] or {name: path}, in quotes for the shell."
        ) from error
    return cfg


def check_models(models: Mapping[str, Any]) -> None:
    """Raise FaceGeomError unless every model is one path that exists, or is on the hub."""
    for name, source in models.items():
        if not isinstance(source, str):
            raise FaceGeomError(f"model.{name} must be one path, got {source}.")
        if not source.startswith(HUB) and not Path(source).expanduser().exists():
            raise FaceGeomError(f"model.{name}: {source} does not exist. Check the path.")


def check_sources(models: dict[str, Any], faces: dict[str, Any], files: dict[str, Any]) -> None:
    """Raise FaceGeomError unless there is something to measure and every name stands once."""
    check_models(models)
    if models and files and not faces:
        raise FaceGeomError("model is given, but no data with images to measure it on: data=….")
    if faces and not models:
        raise FaceGeomError(
            f"data holds images ({next(iter(faces))}), but no model is given: model=…."
        )
    if twice := sorted(set(faces) & set(files)):
        raise FaceGeomError(
            f"data and embeddings both have a set {twice[0]!r}. Name one of them otherwise: "
            "embeddings={NAME: PATH}."
        )
