"""`python train.py experiment=regressor`: train the attribute regressor on known faces."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from facegeom_lit.attributes import vocabulary
from facegeom_lit.commands.check import check_config
from facegeom_lit.commands.coverage import given_or_rendered
from facegeom_lit.commands.run_name import config_hash
from facegeom_lit.commands.stages import fit
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.geometry.synthesis_quality import following
from facegeom_lit.models.attribute_regressor import AttributeRegressor, measure
from facegeom_lit.training.regressor import RegressorModule


def run(cfg: DictConfig) -> None:
    """Train, judge on people held out, and write the regressor to `model/` and `export`.

    Raises:
        FaceGeomError: When the configuration or the faces do not allow it.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    check_config(cfg)
    if OmegaConf.select(cfg, "regressor") is None:
        raise FaceGeomError("job=regressor needs the group regressor; use experiment=regressor.")
    if cfg.rerun:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    choices = cfg.regressor
    faces = given_or_rendered(cfg, choices.faces)
    names = attribute_names(faces, choices.attributes)
    train, judge = hold_out(faces, choices.held_out_every)
    specs = vocabulary()
    regressor = AttributeRegressor(
        {name: (specs[name].low, specs[name].high) for name in names},
        choices.architecture,
        OmegaConf.to_container(choices.arguments),  # type: ignore[arg-type]
    )
    regressor.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = RegressorModule(
        regressor,
        torch.stack([train.attribute(name) for name in names], dim=1),
        **{key: choices[key] for key in ("lr", "warmup_steps", "weight_decay")},
        **choices.jitter,
        seed=cfg.seed,
    )
    fit(cfg, folder, "regressor", module, FaceDataset(train, cache_mib=8192), choices)
    if not module.trainer.is_global_zero:
        return
    scores = held_out_r2(regressor, judge)
    regressor.training_facts = {
        "command": " ".join(["python train.py", *HydraConfig.get().overrides.task]),
        "seed": cfg.seed,
        "config_hash": config_hash(cfg),
        "faces": {"hash": faces.hash, "train": len(train), "held_out": len(judge)},
        "epochs": choices.epochs,
        "precision": str(cfg.trainer.precision),
        "held_out_r2": scores,
    }
    print_scores(scores, len(judge.classes))
    for place in filter(None, [folder / "model", cfg.export]):
        regressor.save(Path(place).expanduser())
    print(f"output: {folder}")


def attribute_names(faces: FaceSet, wanted: Any) -> list[str]:
    """Return the attributes to learn: those wanted, else all facial ones that the faces know.

    Raises:
        FaceGeomError: When one is unknown to the faces or the vocabulary, or none is left.
    """
    known = vocabulary()
    named = [name for name in faces.attributes if name in known]
    if wanted is not None:
        if absent := [name for name in wanted if name not in named]:
            raise FaceGeomError(
                f"regressor.attributes names {absent[0]!r}, of which {faces!r} has no values. It "
                f"has: {', '.join(named)}."
            )
        return list(wanted)
    facial = [
        name
        for name in named
        if known[name].kind == "facial" and len(faces.attribute(name).unique()) > 1
    ]
    if not facial:
        raise FaceGeomError(f"{faces!r} has no facial attribute whose value varies.")
    return facial


def hold_out(faces: FaceSet, every: int) -> tuple[FaceSet, FaceSet]:
    """Split people into those who train and every `every`-th, who judge.

    Raises:
        FaceGeomError: When nobody would be left to train or to judge.
    """
    people = faces.classes
    if not isinstance(every, int) or not 2 <= every <= len(people):
        raise FaceGeomError(
            f"regressor.held_out_every must be a whole number from 2 to {len(people)}, the number "
            f"of people, got {every!r}."
        )
    judges = people[every - 1 :: every]
    return (
        faces.where(identities=sorted(set(people) - set(judges))),
        faces.where(identities=judges),
    )


def held_out_r2(regressor: AttributeRegressor, faces: FaceSet) -> dict[str, float]:
    """Return R² of each attribute that varies among some faces."""
    measured = measure(regressor, faces)
    scores = {}
    for column, name in enumerate(regressor.attributes):
        known = faces.attribute(name)
        if len(known.unique()) > 1:
            scores[name] = round(following(known, measured[:, column]).r2, 4)
    return scores


def print_scores(scores: dict[str, float], people: int) -> None:
    """Print the table of R²."""
    table = Table(title=f"attribute regressor, {people} people held out")
    table.add_column("attribute")
    table.add_column("R²", justify="right")
    for name, score in scores.items():
        table.add_row(name, f"{score:.3f}")
    Console(width=100, highlight=False).print(table)
