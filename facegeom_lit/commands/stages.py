"""Plain trainings without validation: the stages of the prior, the regressor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from hydra.utils import instantiate
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, WeightAveraging
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from facegeom_lit.commands.assemble import loggers
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.epoch_batches import EpochBatches
from facegeom_lit.interrupts import interruptible
from facegeom_lit.reporting.wandb_media import finished_wandb
from facegeom_lit.training.prior.latents import LatentDataset

Rows = FaceDataset | LatentDataset


def fit(
    cfg: DictConfig,
    folder: Path,
    stage: str,
    module: L.LightningModule,
    data: Rows,
    choices: DictConfig,
    extra: tuple[L.Callback, ...] = (),
) -> L.Trainer:
    """Train one stage from its last whole epoch on.

    Args:
        cfg: The run's configuration; its `trainer` (but for `max_epochs`) and `logger` are used.
        folder: Where checkpoints and logs stand.
        stage: Name of the stage; with what it learns from, if that is not in the configuration.
        module: What is trained, in place.
        data: The rows to learn from.
        choices: `epochs` and `batch_size` of the stage.
        extra: Further callbacks.

    Returns:
        The trainer, for what its processes do next.

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
    batches = _StageData(data, choices.batch_size, cfg.seed, cfg.training.workers)
    last = checkpoints / "last.ckpt"
    with finished_wandb(), interruptible(trainer):
        trainer.fit(module, batches, ckpt_path=last if last.is_file() else None)
    if trainer.fit_loop.skip:  # killed after its last checkpoint: nothing was left to train
        for callback in extra:
            if isinstance(callback, WeightAveraging):
                callback.on_train_end(trainer, module)
    return trainer


class _StageData(L.LightningDataModule):
    """Batches of one stage, shared out among the processes once they are there."""

    def __init__(self, data: Rows, batch_size: int, seed: int, workers: int) -> None:
        super().__init__()
        self._data = data
        self._choices = (len(data), batch_size, seed)
        self._workers = workers

    def train_dataloader(self) -> DataLoader[Any]:
        """Return this process's batches."""
        assert self.trainer is not None
        batches = EpochBatches(
            *self._choices, replicas=self.trainer.world_size, rank=self.trainer.global_rank
        )
        if isinstance(self._data, LatentDataset):  # takes the rows of a batch at once
            return DataLoader(self._data, batch_size=None, sampler=batches)
        return DataLoader(self._data, batch_sampler=batches, num_workers=self._workers)
