"""What `facegeom migrate` is asked to do, checked before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from omegaconf import DictConfig, ListConfig

from facegeom_lit.commands.check import INFINITE, SEED, Numbers, check_values
from facegeom_lit.commands.composition import path_given
from facegeom_lit.commands.sources import check_models
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.evaluation.named import named_sources
from facegeom_lit.galleries import Gallery, open_gallery
from facegeom_lit.geometry.verification import rate_name
from facegeom_lit.migration.method import MapMethod
from facegeom_lit.migration.ways import RANK1, Judging

Task = Literal["fit", "card", "apply", "verify"]

NUMBERS: Numbers = {
    "judges": (False, 0.01, 0.99),
    "needed.gain": (False, 0, 1),
    "bootstrap.resamples": (True, 1, INFINITE),
    "bootstrap.level": (False, 0.01, 0.999),
    "seed": SEED,
    "batch_size": (True, 1, INFINITE),
    "workers": (True, 0, INFINITE),
}
SWITCHES = ("flip", "bias", "scale")
TASKS: dict[str, Task] = {
    "anchors": "fit",
    "embeddings": "fit",
    "gallery": "apply",
    "verify": "verify",
}
"""Key → the task that it asks for."""
NEEDS: dict[Task, tuple[str, ...]] = {
    "fit": ("map", "old", "new"),
    "card": ("map",),
    "apply": ("map", "output"),
    "verify": ("map", "old", "new"),
}
TAKES: dict[Task, tuple[str, ...]] = {
    "fit": ("map", "old", "new", "anchors", "embeddings"),
    "card": ("map",),
    "apply": ("map", "gallery", "output", "gallery_model"),
    "verify": ("map", "verify", "old", "new", "output"),
}


def task_of(cfg: DictConfig) -> Task:
    """Return the one task that the keys ask for.

    Raises:
        FaceGeomError: When they ask for two, lack one, or hold one that nothing would read.
    """
    check_values(cfg, NUMBERS, SWITCHES)
    given = [key for key in TASKS if cfg[key] is not None]
    if len(given) > 1:
        raise FaceGeomError(
            f"{given[0]} and {given[1]} are both given, and each is a task of its own. Fit the map "
            "from anchors or from embeddings, then apply it to a gallery, then verify it."
        )
    task: Task = TASKS[given[0]] if given else "card"
    if task == "card" and (cfg.old is not None or cfg.new is not None):
        raise FaceGeomError(
            "old and new are given, but nothing to fit a map on: anchors=FACES (or embeddings=…); "
            "or, to verify a map, verify=FACES."
        )
    for key in NEEDS[task]:
        if cfg[key] is None:
            where = f" for {given[0]}" if given else ""
            raise FaceGeomError(f"{key} is not set{where}; give it on the command line: {key}=….")
    known = {key for keys in TAKES.values() for key in keys}
    if unread := [k for k in cfg if k in known and k not in TAKES[task] and cfg[k] is not None]:
        raise FaceGeomError(
            f"{unread[0]} is given, but {f'{given[0]} does' if given else 'map alone does'} not "
            "use it. Leave it out."
        )
    if cfg.anchor_names not in ("leave_out", "keep"):
        raise FaceGeomError(f"anchor_names must be leave_out or keep, got {cfg.anchor_names!r}.")
    return task


def method_of(cfg: DictConfig) -> MapMethod:
    """Return how the map is fitted.

    Raises:
        FaceGeomError: When a key is out of range, or belongs to another method.
    """
    if cfg.ridge not in (None, "gcv", "kfold"):
        check_values(cfg, {"ridge": (False, 0, INFINITE)})
    if cfg.rank is not None:
        check_values(cfg, {"rank": (True, 1, INFINITE)})
    return MapMethod(cfg.method, cfg.bias, cfg.ridge, cfg.rank, cfg.scale)


def judging_of(cfg: DictConfig) -> Judging:
    """Return how maps are judged.

    Raises:
        FaceGeomError: When fars are no rates, or needed.figure is not measured.
    """
    listed = isinstance(cfg.fars, ListConfig)
    if not listed or not cfg.fars or not all(isinstance(v, float) and 0 < v < 1 for v in cfg.fars):
        raise FaceGeomError(f"fars must be a list of rates between 0 and 1, got {cfg.fars}.")
    figures = _figures(cfg)
    if cfg.needed.figure not in figures:
        raise FaceGeomError(
            f"needed.figure must be one of {', '.join(figures)}, got {cfg.needed.figure!r}."
        )
    return Judging(tuple(cfg.fars), cfg.bootstrap.resamples, cfg.bootstrap.level, cfg.seed)


def check_figure(cfg: DictConfig, figure: str) -> None:
    """Refuse to verify a map without the figure that its card answers by.

    Raises:
        FaceGeomError: When fars lack its rate.
    """
    if figure not in _figures(cfg):
        raise FaceGeomError(
            f"fars={cfg.fars} does not measure {figure}, by which the map's card says whether a "
            "gallery serves. Add its rate."
        )


def _figures(cfg: DictConfig) -> list[str]:
    return [RANK1, *(f"tar@{rate_name(far)}" for far in cfg.fars)]


def check_both_models(cfg: DictConfig) -> tuple[str, str]:
    """Return the paths of the old and the new model.

    Raises:
        FaceGeomError: When one of them is not there.
    """
    paths = (path_given(cfg, "old", "OLD_MODEL"), path_given(cfg, "new", "NEW_MODEL"))
    for key, path in zip(("old", "new"), paths, strict=True):
        try:
            check_models({key: path})
        except FaceGeomError as error:
            raise FaceGeomError(str(error).removeprefix("model.")) from error
    return paths


def new_map_path(cfg: DictConfig) -> Path:
    """Return where a new map shall stand.

    Raises:
        FaceGeomError: When it has another suffix, or something stands there.
    """
    path = Path(path_given(cfg, "map", "map.safetensors")).expanduser()
    if path.suffix != ".safetensors":
        raise FaceGeomError(f"map={path} must end in .safetensors, which is what a map is.")
    if path.exists():
        raise FaceGeomError(
            f"map={path} exists already, and galleries may have been migrated with it. Choose "
            f"another file, or delete it. `facegeom migrate map={path}` prints its card."
        )
    return path


def galleries_of(cfg: DictConfig) -> list[tuple[Gallery, Path]]:
    """Return every gallery, opened, with where its new one shall stand.

    Raises:
        FaceGeomError: When a gallery cannot be opened, or two would have one output.
    """
    single = isinstance(cfg.gallery, str) or (
        isinstance(cfg.gallery, DictConfig) and "path" in cfg.gallery
    )
    output = Path(path_given(cfg, "output", "FILE" if single else "FOLDER")).expanduser()
    found = []
    for name, source in named_sources(cfg.gallery, "gallery").items():
        entry = {"path": source} if isinstance(source, str) else source
        if unknown := sorted(set(entry) - {"path", "key"}):
            raise FaceGeomError(f"gallery: unknown key {unknown[0]!r}. Known: path, key.")
        if not isinstance(entry.get("path"), str):
            raise FaceGeomError(f"gallery: path must be one path, got {entry.get('path')!r}.")
        gallery = open_gallery(entry["path"], key=entry.get("key"))
        found.append((gallery, output if single else output / f"{name}.{gallery.format}"))
    if not found:
        raise FaceGeomError("gallery is an empty list. Give a path.")
    if not single and output.is_file():
        raise FaceGeomError(f"output={output} is a file; several galleries need a folder.")
    return found
