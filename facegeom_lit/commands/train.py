"""The main job: measure, fine-tune for one attribute, measure again, write everything."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from facegeom_lit.attributes import BASELINE, AttributeSpec
from facegeom_lit.callbacks.evaluation import EvaluationCallback, Measurement
from facegeom_lit.commands.assemble import (
    check_config,
    data_module,
    fine_tune_module,
    loggers,
    make_callbacks,
    make_objective,
    reference_models,
    start_model,
    target_attribute,
)
from facegeom_lit.commands.run_name import config_hash, run_name
from facegeom_lit.commands.sweep import note_job
from facegeom_lit.models import FaceModel, save_face_model, weights_hash
from facegeom_lit.reporting.run_figures import draw_run
from facegeom_lit.reporting.run_record import interval_json, read_run, versions, write_run
from facegeom_lit.reporting.tables import print_run
from facegeom_lit.reporting.wandb_media import finished_wandb, log_media
from facegeom_lit.training.fine_tune import FineTuneModule
from facegeom_lit.training.sources import RunData

CHECKPOINTS = "checkpoints"
Measurements = dict[str, Measurement]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run ends with."""

    module: FineTuneModule
    before: Measurements | None
    after: Measurements

    @property
    def models(self) -> dict[str, Measurements]:
        """The measurements by name, those that were made."""
        named = {"before": self.before, "after": self.after}
        return {name: found for name, found in named.items() if found is not None}


def train(cfg: DictConfig) -> float | None:
    """Run the main job in its own folder, or show it when it is complete already.

    Returns:
        The figure named by `optimize`, for a sweeper; None when it names none.

    Raises:
        FaceGeomError: When the configuration or the data cannot be used.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    first = getattr(rank_zero_only, "rank", 0) == 0
    check_config(cfg)
    if cfg.rerun:
        _forget(folder)
    record = read_run(folder)
    if record is None:
        record = _run(cfg, folder)
    elif first:
        print("This very run is complete; here is its result (rerun=true starts it afresh).")
    if first:
        note_job(cfg, folder)
        print_run(record)
        print(f"figures: {folder / 'figures'}")
        print(f"record: {folder / 'run.json'}")
        print(f"output: {folder}")
    return None if cfg.optimize is None else record["metrics"].get(cfg.optimize)


@rank_zero_only
def _forget(folder: Path) -> None:
    """Remove what an earlier run of the same configuration left."""
    (folder / "run.json").unlink(missing_ok=True)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def _run(cfg: DictConfig, folder: Path) -> dict[str, Any]:
    """Do the work and return the run's record."""
    started = time.monotonic()
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    target = target_attribute(cfg)
    start = start_model(cfg)
    start_hash = weights_hash(start)
    objective = make_objective(cfg, start, target)
    references = reference_models(cfg, start)
    measuring, callbacks = make_callbacks(cfg, references)
    run_loggers = loggers(cfg, folder)
    trainer: L.Trainer = instantiate(
        cfg.trainer,
        callbacks=[*measuring.values(), *callbacks],
        logger=run_loggers,
        default_root_dir=str(folder),
    )
    # All that the configuration says is understood; only now is anything computed.
    data: RunData = instantiate(cfg.data)(cfg, target)
    for model in references.values():
        model.to(trainer.strategy.root_device)
    for callback in measuring.values():
        callback.connect(data, references, Path(cfg.paths.cache) / "embeddings")
    module = fine_tune_module(cfg, start, objective, data, target)
    with finished_wandb():
        for logger in run_loggers:
            logger.log_hyperparams(OmegaConf.to_container(cfg, resolve=True))  # type: ignore[arg-type]
        outcome = _fit(cfg, trainer, module, data_module(cfg, data, target), measuring, folder)
        record = _record(cfg, data, target, start_hash, outcome, measuring)
        if trainer.is_global_zero:
            model = _keep_model(cfg, folder, outcome.module.model, record)
            record["weights"]["after"] = model.card.hash
            draw_run(folder, data, target, outcome.models)
            log_media(run_loggers, folder, record)
            record["wall_seconds"] = round(time.monotonic() - started, 1)
            write_run(folder, record)
        trainer.strategy.barrier()
        for logger in run_loggers:
            logger.finalize("success")
    return record


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
        trainer.validate(module, datamodule=data, verbose=False)
        before = _latest(measuring)
    last = folder / CHECKPOINTS / "last.ckpt"
    try:
        trainer.fit(module, datamodule=data, ckpt_path=last if last.is_file() else None)
    except SystemExit:
        if trainer.interrupted:  # Lightning's way to leave after Ctrl-C
            raise KeyboardInterrupt(
                f"Interrupted. The last epoch's checkpoint is kept in {last.parent}; run the same "
                "command again to continue."
            ) from None
        raise
    if any(callback.measured_step != trainer.global_step for callback in measuring.values()):
        trainer.validate(module, datamodule=data, verbose=False)
    return Outcome(module, before, _latest(measuring))


def _latest(measuring: dict[str, EvaluationCallback]) -> Measurements:
    return {name: callback.latest for name, callback in measuring.items()}


def _record(
    cfg: DictConfig,
    data: RunData,
    target: AttributeSpec | None,
    start_hash: str,
    outcome: Outcome,
    measuring: dict[str, EvaluationCallback],
) -> dict[str, Any]:
    """Return `run.json`'s content but for what only the end of the run knows."""
    differences: dict[str, Any] = {}
    by_identity: dict[str, Any] = {}
    for name, callback in measuring.items():
        if outcome.before is not None:
            before, after = outcome.before[name], outcome.after[name]
            differences |= callback.differences(before, after)
            by_identity |= callback.identity_differences(before, after)
    return {
        "name": run_name(cfg),
        "attribute": target.name if target else BASELINE,
        "objective": cfg.objective._target_.rsplit(".", 1)[-1],
        "seed": cfg.seed,
        "metrics": _metrics(outcome.after),
        "baseline": _metrics(outcome.before or {}),
        "differences": {name: interval_json(value) for name, value in differences.items()},
        "identity_differences": by_identity,
        "notes": list(dict.fromkeys(n for m in outcome.after.values() for n in m.notes)),
        "config_hash": config_hash(cfg),
        "config": OmegaConf.to_container(cfg, resolve=True),
        "weights": {"before": start_hash},
        "face_sets": {
            "train": data.train.hash,
            **{name: faces.hash for name, faces in data.evaluation.items()},
        },
        "versions": versions(),
    }


def _metrics(measurements: Measurements) -> dict[str, float | None]:
    return {name: v for m in measurements.values() for name, v in m.metrics.items()}


def _keep_model(
    cfg: DictConfig, folder: Path, model: FaceModel, record: dict[str, Any]
) -> FaceModel:
    """Save the trained model with a card that says how it came to be."""
    card = replace(
        model.card,
        training={
            "command": " ".join(["python train.py", *HydraConfig.get().overrides.task]),
            "started_from": {"name": model.card.name, "hash": record["weights"]["before"]},
            **{key: record[key] for key in ("attribute", "objective", "seed", "config_hash")},
            "face_sets": record["face_sets"],
            "versions": record["versions"],
            "metrics": record["metrics"],
        },
    )
    trained = FaceModel(model.backbone, card)
    for place in filter(None, (folder / "model", cfg.export)):
        save_face_model(trained, place)
    return trained
