"""`facegeom evaluate` without a model: measure the quality of a synthesis."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from facegeom_lit.attributes import MEASURED, attribute
from facegeom_lit.commands.composition import compose_config
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.files import atomic_path, write_json
from facegeom_lit.models import FaceModel, load_face_model
from facegeom_lit.models.attribute_regressor import AttributeRegressor
from facegeom_lit.models.embed import embed_cached, model_hash
from facegeom_lit.reporting.run_record import versions
from facegeom_lit.reporting.synthesis_figures import following_figure, leakage_figure
from facegeom_lit.reporting.synthesis_tables import print_evaluation, write_csv
from facegeom_lit.synthesis.cached import prepare_face_set
from facegeom_lit.synthesis.contact_sheet import contact_sheet
from facegeom_lit.synthesis.evaluation import FaceSets, measure_faces
from facegeom_lit.synthesis.maker import Maker
from facegeom_lit.synthesis.readings import Readings, check_measurable
from facegeom_lit.synthesis.recipe import Recipe, recipe_from_config
from facegeom_lit.training.sources import maker_of


def main(overrides: Sequence[str]) -> None:
    """Make what is missing of the faces, measure them, and write figures and tables.

    Writes `evaluation.json`, `evaluation.csv`, `following.png`, `leakage.png` and
    `contact_sheet.png`, and prints the folder as its last line.

    Raises:
        FaceGeomError: When the configuration is wrong, or something cannot be read or written.
    """
    cfg = compose_config("evaluate_synthesis", overrides)
    maker, source = maker_of(cfg.synthesis), instantiate(cfg.source)
    if cfg.gates:
        raise FaceGeomError("A synthesis is evaluated as it is, without gates: gates=none.")
    names = tuple(cfg.measured or MEASURED)
    regressor = AttributeRegressor.load(cfg.regressor)
    check_measurable(names, regressor)
    model = cosine_model(cfg)
    cache = Path(cfg.paths.cache)

    def embed(faces: FaceSet) -> Tensor:
        return embed_cached(model, faces, cache / "embeddings")

    lattice = recipe_of(cfg, "lattice", names)
    people = recipe_of(cfg, "verification", names)
    others = recipe_of(cfg, "verification", names, others=True)

    def made(recipe: Recipe, by: Maker) -> FaceSet:
        return prepare_face_set(recipe, by, cache / "facesets")

    generated = FaceSets(made(lattice, maker), made(people, maker))
    rendered = FaceSets(made(lattice, source), made(people, source))
    reference, training = made(others, source), training_faces(cfg, source)
    given = names, regressor, embed, reference, training, cfg.seed
    figures, readings = measure_faces(generated, *given)
    record = {
        "synthesis": cfg.synthesis.name,
        "generated": figures,
        "source": measure_faces(rendered, *given)[0],
        "maker": {"name": maker.name, "version": maker.version},
        "regressor": regressor.hash,
        "face_model": {"name": model.card.name, "hash": model_hash(model)},
        "face_sets": {
            "lattice": generated.lattice.hash,
            "people": generated.people.hash,
            "source_lattice": rendered.lattice.hash,
            "source_people": rendered.people.hash,
            "source_others": reference.hash,
            "training": training.hash,
        },
        "notes": notes(training, generated),
        "config": OmegaConf.to_container(cfg, resolve=True),
        "versions": versions(),
    }
    folder = Path(cfg.output or Path(cfg.root) / f"{cfg.synthesis.name}-{_key(record)}")
    write_json(folder / "evaluation.json", record)
    write_csv(folder / "evaluation.csv", record)
    draw(folder, cfg.synthesis.name, readings, figures, generated.lattice)
    print_evaluation(record)
    print(f"output: {folder}")


def cosine_model(cfg: DictConfig) -> FaceModel:
    """Load the face model.

    Raises:
        FaceGeomError: When it cannot be read, or is not compared by cosine.
    """
    model = load_face_model(Path(str(cfg.face_model)).expanduser())
    if model.card.distance != "cosine":
        raise FaceGeomError(
            f"face_model={cfg.face_model} is compared by {model.card.distance} distance; the "
            "evaluation needs a model that is compared by cosine."
        )
    return model


def recipe_of(cfg: DictConfig, kind: str, names: tuple[str, ...], others: bool = False) -> Recipe:
    """Make the recipe of the lattice, of the people, or of as many other people.

    Raises:
        FaceGeomError: When a value is out of range.
    """
    synthesis: Any = OmegaConf.to_container(cfg.synthesis, resolve=True)
    counts: Any = OmegaConf.to_container(cfg.lattice if kind == "lattice" else cfg.people)
    if others:
        counts["first_identity"] += counts["identities"]
    for name in names:
        attribute(name)
    return recipe_from_config(kind, {**synthesis, kind: counts}, measured=names, seed=cfg.seed)


def training_faces(cfg: DictConfig, source: Maker) -> FaceSet:
    """Return faces that the synthesis may have learnt from."""
    if cfg.training.faces is not None:
        return FaceSet.open(Path(str(cfg.training.faces)).expanduser())
    synthesis: Any = OmegaConf.to_container(cfg.synthesis, resolve=True)
    counts = {**synthesis["coverage"], "identities": cfg.training.identities}
    recipe = recipe_from_config("coverage", {**synthesis, "coverage": counts}, seed=cfg.seed)
    return prepare_face_set(recipe, source, Path(cfg.paths.cache) / "facesets")


def notes(training: FaceSet, generated: FaceSets) -> list[str]:
    """Say what a reader of the figures must know."""
    return [
        f"{len(generated.lattice)} lattice images of {len(generated.lattice.classes)} people, "
        f"{len(generated.people)} images of {len(generated.people.classes)} people",
        f"the check against copying looks through {len(training)} training faces of "
        f"{len(training.classes)} people",
        "distances of distributions are to source faces of as many other people, so that the "
        "column `source` is what chance leaves",
    ]


def draw(
    folder: Path, synthesis: str, readings: Readings, figures: dict[str, Any], lattice: FaceSet
) -> None:
    """Draw the figures of the generated faces."""
    pairs = {name: readings.pairs(name) for name in readings.attributes}
    titles = {name: f"R² {values['r2']:.2f}" for name, values in figures["attributes"].items()}
    following_figure(folder / "following.png", pairs, titles)
    leakage_figure(
        folder / "leakage.png",
        readings.leakage(),
        readings.attributes,
        f"{synthesis}: what moves with what",
    )
    with atomic_path(folder / "contact_sheet.png") as temporary:
        contact_sheet(lattice).save(temporary)


def _key(record: dict[str, Any]) -> str:
    """Hash what is measured and what measures it."""
    parts = [record[key] for key in ("maker", "regressor", "face_model", "face_sets")]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
