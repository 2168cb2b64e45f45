"""The main job: measure, fine-tune for one attribute, measure again, write everything."""

from __future__ import annotations

import shutil
import time
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import lightning as L
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.attributes import AttributeSpec
from facegeom_lit.callbacks.evaluation import EvaluationCallback
from facegeom_lit.commands.assemble import (
    WANDB_ID,
    data_module,
    fine_tune_module,
    loggers,
    make_callbacks,
    make_head,
    make_objective,
    reference_models,
    start_model,
    tune,
)
from facegeom_lit.commands.check import check_config, target_attribute
from facegeom_lit.commands.record import (
    Measurements,
    Outcome,
    face_set_hashes,
    keep_model,
    make_record,
)
from facegeom_lit.commands.sweep import note_job
from facegeom_lit.errors import FaceGeomError
from facegeom_lit.interrupts import interruptible
from facegeom_lit.models import (
    FaceModel,
    load_face_model,
    save_face_model,
    weights_hash,
)
from facegeom_lit.models.embed import model_hash
from facegeom_lit.reporting.run_figures import draw_run
from facegeom_lit.reporting.run_record import RUN_FILE, read_run, write_run
from facegeom_lit.reporting.tables import print_run
from facegeom_lit.reporting.wandb_media import finished_wandb, log_media
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData, maker_of

CHECKPOINTS = "checkpoints"
GENERATED = "facegeom_lit.training.sources.generated"


def run(cfg: DictConfig) -> float | None:
    """Run the main job in its own folder, or show it when it is complete already.

    Returns:
        The figure named by `optimize`, for a sweeper; None when it names none.

    Raises:
        FaceGeomError: When the configuration or the data cannot be used.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    first = getattr(rank_zero_only, "rank", 0) == 0
    check_config(cfg)
    target, start = target_attribute(cfg), start_model(cfg)
    record = None if cfg.rerun else read_run(folder)
    if record is not None:
        _check_unchanged(cfg, folder, record, target, start)
    if record is None:
        record = _run(cfg, folder, target, start)
    elif first:
        print("This very run is complete; here is its result (rerun=true starts it afresh).")
    if first:
        if cfg.export:
            save_face_model(load_face_model(folder / "model"), cfg.export)
        note_job(folder)
        print_run(record)
        print(f"figures: {folder / 'figures'}")
        print(f"record: {folder / 'run.json'}")
        print(f"output: {folder}")
    return _optimized(cfg, record)


def _check_unchanged(
    cfg: DictConfig,
    folder: Path,
    record: dict[str, Any],
    target: AttributeSpec | None,
    start: FaceModel,
) -> None:
    """Refuse to show a complete run whose weights, card or faces have changed since.

    Generated faces follow from the configuration and their maker: they are not made again.
    """
    changed = []
    if record["weights"]["model_before"] != model_hash(start):
        changed.append("weights or card")
    if cfg.data._target_ == GENERATED:
        if record["maker_version"] != maker_of(cfg.synthesis).version:
            changed.append("makers of faces")
    else:
        data: RunData = instantiate(cfg.data)(cfg, target)
        if record["face_sets"] != face_set_hashes(data):
            changed.append("faces")
    if changed:
        raise FaceGeomError(
            f"{folder} holds a complete run of this configuration that began with other "
            f"{' and '.join(changed)} than are there now. rerun=true starts it afresh."
        )


def _forget(folder: Path) -> None:
    """Remove what an earlier run of the same configuration left."""
    for name in (RUN_FILE, WANDB_ID):
        (folder / name).unlink(missing_ok=True)
    for name in (CHECKPOINTS, "csv", "figures", "model"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _optimized(cfg: DictConfig, record: dict[str, Any]) -> float | None:
    if cfg.optimize is None:
        return None
    value = record["metrics"].get(cfg.optimize)
    if value is None:
        close = get_close_matches(cfg.optimize, [k for k, v in record["metrics"].items() if v])
        raise FaceGeomError(f"optimize={cfg.optimize} is no figure of this run; close: {close}.")
    return value


def _run(
    cfg: DictConfig, folder: Path, target: AttributeSpec | None, start: FaceModel
) -> dict[str, Any]:
    """Do the work and return the run's record."""
    started = time.monotonic()
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    began = {"before": weights_hash(start), "model_before": model_hash(start)}
    objective = make_objective(cfg, start, target)
    make_head(cfg, start.card.dimension, classes=2)  # refuses what the real one would
    tune(cfg, deepcopy(start))  # as well
    measuring, callbacks = make_callbacks(cfg)
    compared = any(callback.compares for callback in measuring.values())
    references = reference_models(cfg, start) if compared else {}
    for callback in measuring.values():
        callback.check(references)
    trainer: L.Trainer = instantiate(
        cfg.trainer,
        callbacks=[*measuring.values(), *callbacks],
        logger=False,
        default_root_dir=str(folder),
    )
    # All that the configuration says is understood; only now is anything computed.
    data: RunData = instantiate(cfg.data)(cfg, target)
    _connect(cfg, trainer.strategy.root_device, data, measuring, references)
    references.clear()  # they are embedded: their memory is free for the training
    module = fine_tune_module(cfg, start, objective, data, target)
    if cfg.rerun and trainer.is_global_zero:
        _forget(folder)  # only now: bad input must not cost a finished run
    trainer.loggers = run_loggers = loggers(cfg, folder)
    with finished_wandb():
        for logger in run_loggers:
            logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
        outcome = _fit(cfg, trainer, module, data_module(cfg, data, target), measuring, folder)
        record = make_record(cfg, data, target, began, outcome, measuring)
        if trainer.is_global_zero:
            record["weights"]["after"] = keep_model(folder, module.model, record).hash
            draw_run(folder, data, target, outcome.models)
            log_media(run_loggers, folder, record)
            # Of the session that ended the run; how many there were tells the CSV folder.
            record["wall_seconds"] = round(time.monotonic() - started, 1)
            record["sessions"] = len(list((folder / "csv").glob("session_*")))
            write_run(folder, record)
        trainer.strategy.barrier()
        for logger in run_loggers:
            logger.finalize("success")
    return record


def _connect(
    cfg: DictConfig,
    device: torch.device,
    data: RunData,
    measuring: dict[str, EvaluationCallback],
    references: dict[str, FaceModel],
) -> None:
    """Tell every callback what it measures on; frozen models embed it on `device`."""
    for model in references.values():
        model.to(device)
    for callback in measuring.values():
        callback.connect(data, references, Path(cfg.paths.cache) / "embeddings")


def _fit(
    cfg: DictConfig,
    trainer: L.Trainer,
    module: FineTuneModule,
    data: L.LightningDataModule,
    measuring: dict[str, EvaluationCallback],
    folder: Path,
) -> Outcome:
    """Measure the untouched model, train from the last checkpoint on, measure at the end."""
    before = None
    if cfg.evaluation.baseline:
        with interruptible(trainer):
            trainer.validate(module, datamodule=data, verbose=False)
        before = _latest(measuring)
    last = folder / CHECKPOINTS / "last.ckpt"
    with interruptible(trainer):
        trainer.fit(module, datamodule=data, ckpt_path=last if last.is_file() else None)
    if trainer.fit_loop.skip:  # killed after its last checkpoint: nothing was left to train
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, WeightAveraging):
                callback.on_train_end(trainer, module)
    if any(callback.measured_step != trainer.global_step for callback in measuring.values()):
        with interruptible(trainer):
            trainer.validate(module, datamodule=data, verbose=False)
    return Outcome(before, _latest(measuring))


def _latest(measuring: dict[str, EvaluationCallback]) -> Measurements:
    return {name: callback.completed(callback.latest) for name, callback in measuring.items()}
