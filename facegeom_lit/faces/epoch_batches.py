"""Shuffled batches of row numbers that follow from the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from facegeom_lit.errors import FaceGeomError


class EpochBatches(Sampler[list[int]]):
    """Shuffled batches of equal size, shared out among processes.

    A resumed run sees the batches that an undisturbed one would have seen. The rows that do not
    fill a last batch wait for the next epoch, which is shuffled anew.

    Args:
        rows: Number of rows.
        batch_size: Rows in a batch of one process.
        seed: Of the shuffling.
        replicas: How many processes there are.
        rank: Which of them this is.

    Raises:
        FaceGeomError: When the rows do not fill one batch of every process.

    Example:
        >>> [sorted(batch) for batch in EpochBatches(4, batch_size=4)]
        [[0, 1, 2, 3]]
    """

    def __init__(
        self, rows: int, batch_size: int, seed: int = 0, *, replicas: int = 1, rank: int = 0
    ) -> None:
        if rows < batch_size * replicas:
            raise FaceGeomError(
                f"{rows} images do not fill one batch of {batch_size} on {replicas} process(es). "
                "Choose a smaller batch, or more images."
            )
        self.rows = rows
        self.batch_size = batch_size
        self.seed = seed
        self.replicas = replicas
        self.rank = rank
        self.epoch = 0

    @property
    def sampler(self) -> EpochBatches:
        """Itself: Lightning tells the epoch to `batch_sampler.sampler`, not to `batch_sampler`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches of this process."""
        return self.rows // (self.batch_size * self.replicas)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of this process."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.rows, generator=generator).tolist()
        stride = self.batch_size * self.replicas
        for batch in range(len(self)):
            start = batch * stride + self.rank * self.batch_size
            yield order[start : start + self.batch_size]
