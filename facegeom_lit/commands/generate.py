"""`facegeom generate`: make a face set from a recipe."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.attributes import BASELINE, MEASURED, AttributeSpec
from facegeom_lit.commands.composition import compose_config
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.images import open_shard
from facegeom_lit.faces.schema import SHARD_PATTERN
from facegeom_lit.files import write_json
from facegeom_lit.synthesis.recipe import Recipe, recipe_from_config
from facegeom_lit.synthesis.writer import CONTACT_SHEET, generate, production_hash

_COUNTS = ("identities", "images_per_identity", "nodes", "first_identity")


def main(overrides: Sequence[str]) -> None:
    """Make the face set that the configuration describes, or what is missing of it.

    Writes `result.json` beside the shards and prints the folder as its last line.

    Raises:
        FaceGeomError: When the configuration is wrong, or the folder cannot be written.
    """
    cfg = compose_config("generate", overrides)
    recipe = recipe_of(cfg)
    maker = instantiate(cfg.synthesis.maker)
    name = f"{cfg.kind}-{cfg.attribute.name}-{production_hash(recipe, maker)[:12]}"
    folder = Path(cfg.output or Path(cfg.root) / name)
    found = sum(open_shard(shard).metadata.num_rows for shard in folder.glob(SHARD_PATTERN))
    started = time.perf_counter()
    faces = generate(recipe, folder, maker)
    seconds = time.perf_counter() - started
    result = {
        "images": len(faces),
        "identities": len(faces.classes),
        "seconds": round(seconds, 3),
        "found_complete": found,
        "faces_per_second": round((len(faces) - found) / seconds, 1),
        "hash": faces.hash,
    }
    write_json(folder / "result.json", result)
    for key, value in result.items():
        print(f"{key}: {value}")
    print(f"contact sheet: {folder / CONTACT_SHEET}")
    print(f"output: {folder}")


def recipe_of(cfg: DictConfig) -> Recipe:
    """Make the recipe of `conf/generate.yaml`.

    Raises:
        FaceGeomError: When a value is out of range, or a key does not belong to this kind.
    """
    synthesis: Any = OmegaConf.to_container(cfg.synthesis, resolve=True)
    counts = synthesis.get(cfg.kind, {})
    for key in _COUNTS:
        if cfg[key] is None:
            continue
        if counts and key not in counts:
            raise FaceGeomError(f"{key} has no meaning for kind={cfg.kind}; leave it out.")
        counts[key] = cfg[key]
    target: AttributeSpec | None = None
    if cfg.attribute.name != BASELINE:
        values: Any = OmegaConf.to_container(cfg.attribute)
        target = AttributeSpec.from_mapping(values)
    if cfg.measured is not None and cfg.kind != "lattice":
        raise FaceGeomError(f"measured has no meaning for kind={cfg.kind}; leave it out.")
    if cfg.kind == "verification" and target is not None:
        raise FaceGeomError("Faces for verification have no target; leave attribute=none.")
    measured = cfg.measured or ([target.name] if target else MEASURED)
    return recipe_from_config(
        cfg.kind, synthesis, attribute=target, measured=tuple(measured), seed=cfg.seed
    )
