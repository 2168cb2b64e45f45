"""Shards made as a `Trainer.predict` job: one process or many, any number of machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch.utils.data import DataLoader
from tqdm import tqdm

from facegeom_lit.faces.schema import shard_name
from facegeom_lit.interrupts import interruptible

MakeShard = Callable[[int, Callable[[int], object]], None]
"""Makes and writes shard number n; calls back with the number of images after each few."""


def single_process() -> L.Trainer:
    """Return a trainer that makes everything in this process."""
    return L.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        # Whatever cluster the surrounding run lives in: this is one process's own work.
        plugins=[LightningEnvironment()],
    )


def make_shards(
    trainer: L.Trainer,
    folder: Path,
    sizes: Sequence[int],
    make: MakeShard,
    description: str,
    progress: bool,
) -> None:
    """Make the shards that are not there yet, shared out among the trainer's processes.

    Args:
        trainer: Decides how many processes there are, and where.
        folder: Where the shards stand.
        sizes: Number of images planned for each shard.
        make: Makes one.
        description: Stands before the progress bar.
        progress: Show one, on the first process, with the rate and the time left of all.

    Raises:
        KeyboardInterrupt: On Ctrl-C.
    """
    job = _ShardJob(folder, sizes, make, description, progress)
    with interruptible(trainer):
        trainer.predict(job, return_predictions=False)
        trainer.strategy.barrier("all shards are made")


class _ShardJob(L.LightningModule):
    """One prediction step is one shard."""

    def __init__(
        self, folder: Path, sizes: Sequence[int], make: MakeShard, description: str, progress: bool
    ) -> None:
        super().__init__()
        self._shards = [folder / shard_name(number) for number in range(len(sizes))]
        self._sizes = sizes
        self._make = make
        self._description = description
        self._progress = progress
        self._bar: tqdm[Any]

    def predict_dataloader(self) -> DataLoader[int]:
        """Return the numbers of this process's shards: every n-th one of those missing."""
        trainer = self.trainer
        missing = [number for number, shard in enumerate(self._shards) if not shard.exists()]
        # The others go by the list of the first: theirs may be shorter, for it is at work already.
        missing = trainer.strategy.broadcast(missing)
        numbers: Any = missing[trainer.global_rank :: trainer.world_size]
        return DataLoader(numbers, batch_size=1)

    def on_predict_start(self) -> None:
        """Count what is there already."""
        first = self.trainer.is_global_zero
        self._bar = tqdm(
            total=sum(self._sizes),
            initial=self._done(),
            unit="face",
            desc=self._description,
            disable=not (self._progress and first),
        )

    def on_predict_end(self) -> None:
        """Close the bar."""
        self._bar.close()

    def predict_step(self, batch: Any, batch_idx: int) -> int:
        """Make one shard; return its number."""
        number = int(batch[0])
        self._make(number, self._bar.update)
        if self.trainer.world_size > 1 and not self._bar.disable:
            self._bar.update(self._done() - self._bar.n)  # what the others made meanwhile
        return number

    def _done(self) -> int:
        pairs = zip(self._shards, self._sizes, strict=True)
        return sum(size for shard, size in pairs if shard.exists())
