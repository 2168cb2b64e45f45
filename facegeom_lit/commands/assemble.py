"""From configuration to objects: the model, its head and objective, the references, the trainer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import lightning as L
import torch
from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn
from torch.utils.data import DataLoader

from facegeom_lit.attributes import MIRRORED, AttributeSpec
from facegeom_lit.callbacks.cross_model_alignment import ORIGINAL, TUNED
from facegeom_lit.callbacks.evaluation import EvaluationCallback
from facegeom_lit.commands.check import in_sweep
from facegeom_lit.commands.run_name import SWEEP_VARIABLE, run_name
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.datamodule import FaceDataModule
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.keys import IMAGE
from facegeom_lit.faces.transforms import Chain, MirrorFlip, MoveImageAttribute, Transform
from facegeom_lit.files import atomic_path
from facegeom_lit.models import FaceModel, build_face_model, load_face_model
from facegeom_lit.models.embed import model_hash
from facegeom_lit.models.weights.calibrate import calibrate_batch_norm
from facegeom_lit.synthesis.photometric import apply as apply_operator
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.objectives.base import Objective
from facegeom_lit.training.sources import RunData
from facegeom_lit.training.tuning import add_lora, freeze_stages

WANDB_ID = "wandb_id"


def start_model(cfg: DictConfig) -> FaceModel:
    """Return the model that the run starts from: `model=`, else what `backbone` describes.

    Raises:
        FaceGeomError: When the weights cannot be read or are of another architecture.
    """
    described: Any = OmegaConf.to_container(cfg.backbone, resolve=True)
    weights = cfg.model or described["weights"]
    described["weights"] = None if weights is None else Path(str(weights)).expanduser()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seed)
        return build_face_model(**described)


def reference_models(cfg: DictConfig, start: FaceModel) -> dict[str, FaceModel]:
    """Return the frozen models to compare with; the start model is the first, as `original`.

    A reference without a path is left out, and so is one with the very weights and
    card of the start model: it is the original.

    Raises:
        FaceGeomError: When a model cannot be read, or its name cannot stand in a logged one.
    """
    own = model_hash(start)
    models = {ORIGINAL: start}
    for name, path in (cfg.reference.models or {}).items():
        if name in (ORIGINAL, TUNED) or "/" in str(name):
            raise FaceGeomError(
                f"reference.models.{name}: {ORIGINAL} and {TUNED} are the run's own models, and a "
                "name holds no '/'. Give this model another name."
            )
        if path is None:
            continue
        model = load_face_model(Path(str(path)).expanduser())
        if model_hash(model) != own:
            models[str(name)] = model
    return models


def make_objective(cfg: DictConfig, model: FaceModel, target: AttributeSpec | None) -> Objective:
    """Instantiate the objective.

    Raises:
        FaceGeomError: When it needs an attribute, or curves, and there are none.
    """
    objective = instantiate(cfg.objective)
    if not isinstance(objective, Objective):
        objective = objective(dimension=model.card.dimension)
    if objective.needs_attribute and target is None:
        raise FaceGeomError(
            f"The objective {type(objective).__name__} needs an attribute, but attribute=none. "
            "Choose attribute=<name>, or objective=none."
        )
    if objective.needs_start and not (cfg.model or cfg.backbone.weights):
        raise FaceGeomError(
            f"The objective {type(objective).__name__} keeps the space of the model that the run "
            "starts from, but this run starts from random weights. Set model=…, or choose another "
            "objective."
        )
    if objective.needs_curves and not cfg.training.curves:
        raise FaceGeomError(
            f"The objective {type(objective).__name__} needs whole curves in a batch, but "
            "training.curves=0. Set training.curves=4, or choose experiment=energy."
        )
    return objective


def make_head(cfg: DictConfig, dimension: int, classes: int) -> nn.Module:
    """Instantiate the head."""
    for key, value in cfg.head.items():
        if not str(key).startswith("_") and not isinstance(value, int | float):
            raise FaceGeomError(f"head.{key} must be a number, got {value!r}.")
    return instantiate(cfg.head)(dimension, classes)


def tune(cfg: DictConfig, model: FaceModel) -> None:
    """Choose the weights that learn, in place.

    Raises:
        FaceGeomError: When the backbone has no such stage, or nothing to adapt.
    """
    frozen = freeze_stages(model, cfg.tuning.frozen)
    if cfg.tuning.lora is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(cfg.seed)
            add_lora(model, frozen=frozen, **cfg.tuning.lora)


def fine_tune_module(
    cfg: DictConfig,
    model: FaceModel,
    objective: Objective,
    data: RunData,
    target: AttributeSpec | None,
) -> FineTuneModule:
    """Put model, head and objective together."""
    # Hashed before anything is computed: another machine rounds otherwise, and may continue.
    provenance = {"weights or card": model_hash(model), "training faces": data.train.hash}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seed)
        head = make_head(cfg, model.card.dimension, len(data.train.classes))
    start = deepcopy(model) if objective.needs_start else None
    if not cfg.training.freeze_batch_norm:
        calibrate_batch_norm(model, _some_crops(data.train))
    model.train()  # loaded models come in evaluation mode
    tune(cfg, model)
    training = cfg.training
    return FineTuneModule(
        model,
        head,
        objective,
        instantiate(training.optimizer),
        {name: len(faces) for name, faces in data.evaluation.items()},
        target,
        lr=training.lr,
        head_lr=training.head_lr,
        layer_decay=training.layer_decay,
        weight_decay=training.weight_decay,
        head_warmup_epochs=training.head_warmup_epochs,
        warmup_steps=training.warmup_steps,
        freeze_batch_norm=training.freeze_batch_norm,
        provenance=provenance,
        start=start,
    )


def _some_crops(faces: FaceSet, count: int = 1024, batch: int = 64) -> Iterator[Tensor]:
    """Yield uint8 batches (B, 3, 112, 112) of `count` crops, spread evenly over the set."""
    rows = torch.linspace(0, len(faces) - 1, min(count, len(faces))).round().long()
    for batch_of in DataLoader(FaceDataset(faces.select(rows)), batch_size=batch):
        yield batch_of[IMAGE]


def data_module(cfg: DictConfig, data: RunData, target: AttributeSpec | None) -> FaceDataModule:
    """Put the loaders together; image attributes are moved on given photos while training."""
    training = cfg.training
    changes: list[Transform] = []
    if training.mirror:
        changes.append(MirrorFlip(signed=target is not None and target.name in MIRRORED))
    if data.augment is not None:
        operator = partial(apply_operator, data.augment.name)
        changes.append(MoveImageAttribute(operator, data.augment.low, data.augment.high))
    return FaceDataModule(
        data.train,
        data.evaluation,
        attribute=target.name if target else None,
        identities_per_batch=training.identities_per_batch,
        images_per_identity=training.images_per_identity,
        curves=data.curves,
        curves_per_identity=training.curves,
        evaluation_batch_size=training.evaluation_batch,
        transform=Chain(*changes) if changes else None,
        workers=training.workers,
        seed=cfg.seed,
    )


def make_callbacks(
    cfg: DictConfig,
) -> tuple[dict[str, EvaluationCallback], list[L.Callback]]:
    """Instantiate the callbacks: those that measure by kind, and the others; null is none."""
    measuring: dict[str, EvaluationCallback] = {}
    others: list[L.Callback] = []
    for node in cfg.callbacks.values():
        callback = instantiate(node)
        if isinstance(callback, EvaluationCallback):
            measuring[callback.kind] = callback
        elif callback is not None:
            others.append(callback)
    return measuring, others


def loggers(cfg: DictConfig, folder: Path) -> list[Logger]:
    """Instantiate the loggers inside the run's folder, with the run's identity for W&B.

    The W&B run id is kept in the folder, so that a resumed run continues its curves; a sweep's
    name, set while it is launched, is the group.
    """
    made: list[Logger] = []
    name = run_name(cfg)
    for kind, node in cfg.logger.items():
        if kind == "wandb":
            if node.mode == "offline":  # nothing to say: no account, no address
                os.environ.setdefault("WANDB_SILENT", "true")
            os.environ.setdefault("WANDB_DATA_DIR", str(Path(cfg.paths.cache).absolute()))
            choices = {
                "id": _wandb_id(folder),
                "name": name,
                "group": Path(os.environ[SWEEP_VARIABLE]).name if in_sweep() else None,
                "job_type": "train",
                "tags": [cfg.task, cfg.attribute.name, cfg.backbone.name],
            }
        else:
            # Each session writes a table of its own: the logger empties a folder it finds.
            session = len(list((folder / "csv").glob("session_*")))
            choices = {"name": "csv", "version": f"session_{session}"}
        made.append(instantiate(node, save_dir=str(folder), **choices))
    return made


def _wandb_id(folder: Path) -> str:
    """Return the folder's W&B run id, drawn once."""
    file = folder / WANDB_ID
    if not file.is_file():
        with atomic_path(file) as temporary:
            temporary.write_text(uuid4().hex[:12])
    return file.read_text()
