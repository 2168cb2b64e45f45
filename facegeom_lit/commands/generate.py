"""`facegeom generate`: make a face set from a recipe, or by editing given photos."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.attributes import BASELINE, MEASURED, AttributeSpec
from facegeom_lit.commands.composition import compose_config
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.images import open_shard
from facegeom_lit.faces.opening import open_faces
from facegeom_lit.faces.schema import SHARD_PATTERN
from facegeom_lit.files import write_json
from facegeom_lit.models.attribute_regressor import AttributeRegressor, measure
from facegeom_lit.synthesis.edits import EditMaker, EditRecipe
from facegeom_lit.synthesis.gating import Gating
from facegeom_lit.synthesis.maker import Maker
from facegeom_lit.synthesis.recipe import Recipe, recipe_from_config
from facegeom_lit.synthesis.writer import CONTACT_SHEET, Producible, generate, production_hash

_COUNTS = ("identities", "images_per_identity", "nodes", "first_identity")


def main(overrides: Sequence[str]) -> None:
    """Make the face set that the configuration describes, or what is missing of it.

    Writes `result.json` beside the shards and prints the folder as its last line.

    Raises:
        FaceGeomError: When the configuration is wrong, or the folder cannot be written.
    """
    cfg = compose_config("generate", overrides)
    if cfg.kind is None:
        curves = cfg.nodes is not None or cfg.measured is not None
        cfg.kind = "lattice" if curves else "training"
    trainer = prediction_trainer(cfg)
    gating = Gating(instantiate(cfg.gates, _convert_="all"), cfg.keep_refused)
    recipe: Producible
    maker: Maker
    if "editor" in cfg.synthesis:
        recipe = edit_recipe_of(cfg)
        maker = EditMaker(recipe, instantiate(cfg.synthesis.editor))
    else:
        recipe = recipe_of(cfg)
        maker = instantiate(cfg.synthesis.maker)
        if gating and cfg.kind != "lattice":
            raise FaceGeomError(
                f"gates hold edits against their photo and a lattice's ends against its middle; "
                f"faces drawn as kind={cfg.kind} have neither. Leave gates=none."
            )
    name = f"{cfg.kind}-{cfg.attribute.name}-{production_hash(recipe, maker, gating)[:12]}"
    folder = Path(cfg.output or Path(cfg.root) / name)
    found = sum(open_shard(shard).metadata.num_rows for shard in folder.glob(SHARD_PATTERN))
    started = time.perf_counter()
    faces = generate(recipe, folder, maker, gating=gating, trainer=trainer)
    if trainer.is_global_zero:
        _report(folder, faces, found, time.perf_counter() - started)


def _report(folder: Path, faces: FaceSet, found: int, seconds: float) -> None:
    result = {
        "images": len(faces),
        "identities": len(faces.classes),
        "seconds": round(seconds, 3),
        "found_complete": found,
        "faces_per_second": round((len(faces) - found) / seconds, 1),
        "hash": faces.hash,
    }
    if "gates" in faces.card:
        result |= {key: faces.card["gates"][key] for key in ("kept", "refused")}
    write_json(folder / "result.json", result)
    for key, value in result.items():
        print(f"{key}: {value}")
    print(f"contact sheet: {folder / CONTACT_SHEET}")
    print(f"output: {folder}")


def prediction_trainer(cfg: DictConfig) -> L.Trainer:
    """Return the trainer whose processes share the work."""
    return instantiate(
        cfg.trainer,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        precision="32-true",  # makers and editors choose for themselves; it is in their version
    )


def recipe_of(cfg: DictConfig) -> Recipe:
    """Make the recipe of `conf/generate.yaml`.

    Raises:
        FaceGeomError: When a value is out of range, or a key does not belong to this kind.
    """
    if cfg.photos is not None:
        raise FaceGeomError(
            f"photos is given, but synthesis={cfg.synthesis.name} draws faces of its own. Choose "
            "one that edits: prior_edit, img2img, instruct, ..."
        )
    synthesis: Any = OmegaConf.to_container(cfg.synthesis, resolve=True)
    counts = synthesis.get(cfg.kind, {})
    for key in _COUNTS:
        if cfg[key] is None:
            continue
        if counts and key not in counts:
            raise FaceGeomError(f"{key} has no meaning for kind={cfg.kind}; leave it out.")
        counts[key] = cfg[key]
    target = _target(cfg)
    if cfg.measured is not None and cfg.kind != "lattice":
        raise FaceGeomError(f"measured has no meaning for kind={cfg.kind}; leave it out.")
    if cfg.kind in ("verification", "coverage") and target is not None:
        raise FaceGeomError(f"Faces of kind={cfg.kind} have no target; leave attribute=none.")
    measured = cfg.measured or ([target.name] if target else MEASURED)
    return recipe_from_config(
        cfg.kind, synthesis, attribute=target, measured=tuple(measured), seed=cfg.seed
    )


def edit_recipe_of(cfg: DictConfig) -> EditRecipe:
    """Make the recipe of edits of given photos.

    Raises:
        FaceGeomError: When there are no photos, or a key does not belong to editing.
    """
    if cfg.photos is None:
        raise FaceGeomError(
            f"synthesis={cfg.synthesis.name} edits given photos; name them with photos=FOLDER."
        )
    if given := [key for key in _COUNTS if cfg[key] is not None]:
        raise FaceGeomError(
            f"{given[0]} has no meaning where photos are edited; use photos_per_identity and "
            "variations."
        )
    target = _target(cfg)
    photos = open_faces(cfg.photos)
    regressor = AttributeRegressor.load(cfg.regressor)
    return EditRecipe(
        photos,
        cfg.kind,
        tuple(cfg.measured or ([target.name] if target else ())),
        measure(regressor, photos),
        regressor.attributes,
        per_identity=cfg.photos_per_identity,
        variations=cfg.variations,
        seed=cfg.seed,
        specs={target.name: target} if target else {},
        image_format=cfg.synthesis.format,
        quality=cfg.synthesis.quality,
    )


def _target(cfg: DictConfig) -> AttributeSpec | None:
    if cfg.attribute.name == BASELINE:
        return None
    values: Any = OmegaConf.to_container(cfg.attribute)
    return AttributeSpec.from_mapping(values)
