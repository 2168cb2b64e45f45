"""Plain trainings without validation: the stages of the prior, the regressor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from hydra.utils import instantiate
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from facegeom_lit.commands.assemble import loggers
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.epoch_batches import EpochBatches
from facegeom_lit.interrupts import interruptible
from facegeom_lit.reporting.wandb_media import finished_wandb
from facegeom_lit.training.prior.latents import LatentDataset


def fit(
    cfg: DictConfig,
    folder: Path,
    stage: str,
    module: L.LightningModule,
    data: FaceDataset | LatentDataset,
    choices: DictConfig,
    extra: tuple[L.Callback, ...] = (),
) -> None:
    """Train one stage from its last whole epoch on.

    Args:
        cfg: The run's configuration; its `trainer` and `logger` are used.
        folder: Where checkpoints and logs stand.
        stage: Name of the stage.
        module: What is trained, in place.
        data: The rows to learn from.
        choices: `epochs` and `batch_size` of the stage.
        extra: Further callbacks.

    Raises:
        KeyboardInterrupt: On Ctrl-C; the last whole epoch is kept.
    """
    checkpoints = folder / "checkpoints" / stage
    keep = ModelCheckpoint(
        checkpoints,
        "last",
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    trainer: L.Trainer = instantiate(
        cfg.trainer,
        max_epochs=choices.epochs,
        callbacks=[keep, LearningRateMonitor(), *extra],
        logger=False,
        default_root_dir=str(folder),
        limit_val_batches=0,
    )
    trainer.loggers = loggers(cfg, folder)
    batches = EpochBatches(
        len(data),
        choices.batch_size,
        cfg.seed,
        replicas=trainer.world_size,
        rank=trainer.global_rank,
    )
    loader: DataLoader[Any]
    if isinstance(data, LatentDataset):  # takes the rows of a batch at once
        loader = DataLoader(data, batch_size=None, sampler=batches)
    else:
        loader = DataLoader(data, batch_sampler=batches, num_workers=cfg.training.workers)
    last = checkpoints / "last.ckpt"
    with finished_wandb(), interruptible(trainer):
        trainer.fit(module, loader, ckpt_path=last if last.is_file() else None)
