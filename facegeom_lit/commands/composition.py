"""The configuration of a `facegeom` command, composed from `conf/` and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from facegeom_lit.commands.run_name import register_resolvers
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.files import check_writable
from facegeom_lit.reporting.result_folder import result_folder
from facegeom_lit.resources import resource


def compose_config(name: str, overrides: Sequence[str]) -> DictConfig:
    """Compose `conf/<name>.yaml` with overrides, e.g. `["attribute=age", "seed=1"]`.

    Raises:
        FaceGeomError: When a key or a choice does not exist; the message lists those that do.
    """
    register_resolvers()
    conf = resource("conf")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        defaults = compose(name)
        try:
            choices = [o for o in overrides if (conf / o.partition("=")[0]).is_dir()]
            defaults = compose(name, overrides=choices)  # the keys there are follow from these
            config = compose(name, overrides=list(overrides))
            OmegaConf.resolve(config)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            # Hydra's own message is good for an unknown choice, but not for an unknown key
            message = str(error).partition("Config search path")[0].strip()
            raise FaceGeomError(_unknown_key(defaults, overrides, conf) or message) from error
    _check_sections(defaults, config)
    for key, value in config.get("paths", {}).items():
        if not isinstance(value, str):
            raise FaceGeomError(f"paths.{key} must be a folder, got {value}.")
    for key in map(str, config):
        if key not in defaults:
            raise FaceGeomError(f"Unknown key {key!r}, which nothing reads. Leave it out.")
    return config


def path_given(cfg: DictConfig, key: str, example: str) -> str:
    """Return the path that a key must give.

    Raises:
        FaceGeomError: When it is not set, or is a number, a list or the like.
    """
    if cfg[key] is None:
        raise FaceGeomError(f"{key} is not set; give it on the command line: {key}={example}.")
    if not isinstance(cfg[key], str):
        raise FaceGeomError(f"{key} must be one path, got {cfg[key]}. Write {key}={example}.")
    return cfg[key]


def output_folder(cfg: DictConfig, name: str, record: str, what: str) -> Path:
    """Return the folder of a command's results: `output`, or one of a name in `root`.

    Args:
        cfg: With `output` and `root`.
        name: Of the folder where `output` is null.
        record: Name of the file that every such result holds.
        what: What the result is, for messages.

    Raises:
        FaceGeomError: When something else stands there, or it cannot be written.
    """
    if cfg.output is not None:
        return result_folder(path_given(cfg, "output", "FOLDER"), record, what)
    return result_folder(Path(path_given(cfg, "root", "FOLDER")) / name, record, what)


def check_output(cfg: DictConfig, record: str, what: str) -> None:
    """Refuse before long work what `output_folder` would refuse after it."""
    if cfg.output is None:
        check_writable(Path(path_given(cfg, "root", "FOLDER")).expanduser() / what)
    else:
        output_folder(cfg, "", record, what)


def _check_sections(defaults: DictConfig, config: DictConfig) -> None:
    """Refuse a value where keys must stand: `bootstrap=5` for `bootstrap.resamples=5`."""
    for key in map(str, defaults):
        if isinstance(defaults[key], DictConfig) and not isinstance(config[key], DictConfig):
            below = ", ".join(f"{key}.{name}" for name in defaults[key])
            raise FaceGeomError(
                f"{key} is no value, got {config[key]}. Set a key below it: {below}."
            )


def _unknown_key(defaults: DictConfig, overrides: Sequence[str], conf: Path) -> str | None:
    """Say which key on the command line is unknown, and which ones there are."""
    absent = object()
    for override in overrides:
        key, separator, _ = override.partition("=")
        if not separator:
            return f"Write each setting as key=value; {override!r} is not."
        key = key.lstrip("+~")
        if OmegaConf.select(defaults, key, default=absent) is not absent or (conf / key).is_dir():
            continue
        parent, _, last = key.rpartition(".")
        node = OmegaConf.select(defaults, parent) if parent else defaults
        known = [str(name) for name in node] if isinstance(node, DictConfig) else []
        close = get_close_matches(last, known, n=1)
        guess = f" Did you mean {close[0]!r}?" if close else ""
        return f"Unknown key {key!r}.{guess} Keys: {', '.join(known) or 'none there'}."
    return None
