"""Batches that hold several variations of an identity together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Sampler

from facegeom_lit.errors import FaceGeomError


class IdentityBatchSampler(Sampler[list[int]]):
    """Draws batches of `identities_per_batch` groups of `images_per_identity` images.

    In an epoch the images of an identity are shuffled and cut into groups; the last group is
    filled up with images of the same identity, so identities with few images repeat them. Each
    identity's groups are spread evenly over the epoch, which keeps a batch from holding the same
    identity twice wherever enough identities are left. What fills no batch on every process is
    left out of that epoch, another part each time.

    Args:
        labels: int64 (N,) identity of each row.
        identities_per_batch: P.
        images_per_identity: K, at least 2; a batch has P·K images.
        seed: Together with the epoch it decides everything.
        num_replicas: Number of processes that share the work (DDP).
        rank: Which of them this one is. Batches of different ranks are disjoint, and every rank
            has equally many.
        names: Names of the identities, for messages.
        on_epoch: Told each new epoch, e.g. `FaceDataset.set_epoch`.

    Raises:
        FaceGeomError: When an identity has a single image, or there are too few images for one
            batch on each process.
    """

    def __init__(
        self,
        labels: Tensor,
        identities_per_batch: int,
        images_per_identity: int,
        seed: int = 0,
        *,
        num_replicas: int = 1,
        rank: int = 0,
        names: Sequence[str] | None = None,
        on_epoch: Callable[[int], None] | None = None,
    ) -> None:
        if identities_per_batch < 1 or images_per_identity < 2:
            raise FaceGeomError(
                "A batch needs identities_per_batch ≥ 1 and images_per_identity ≥ 2, got "
                f"{identities_per_batch} and {images_per_identity}."
            )
        self._rows = [torch.nonzero(labels == label).flatten() for label in labels.unique()]
        for label, rows in zip(labels.unique().tolist(), self._rows, strict=True):
            if len(rows) < 2:
                name = names[label] if names else label
                raise FaceGeomError(
                    f"Identity {name!r} has one image: it has no variations to hold together. Add "
                    "images of it, or leave such identities out with data.min_images=2."
                )
        self.identities_per_batch = identities_per_batch
        self.images_per_identity = images_per_identity
        self.seed = seed
        self.num_replicas = num_replicas
        self.rank = rank
        self._on_epoch = on_epoch
        self._groups = sum(-(-len(rows) // images_per_identity) for rows in self._rows)
        self._length = self._groups // (identities_per_batch * num_replicas)
        if self._length == 0:
            raise FaceGeomError(
                f"{len(self._rows)} identities give {self._groups} groups of {images_per_identity} "
                f"images, too few for batches of {identities_per_batch} groups on {num_replicas} "
                "process(es). Lower data.identities_per_batch."
            )
        self.epoch = 0

    @property
    def sampler(self) -> IdentityBatchSampler:
        """Itself: Lightning tells the epoch to `batch_sampler.sampler`, not to `batch_sampler`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""
        self.epoch = epoch
        if self._on_epoch is not None:
            self._on_epoch(epoch)

    def __len__(self) -> int:
        """Return the number of batches of this process in an epoch."""
        return self._length

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the rows of one batch after another, a group at a time."""
        groups = self._draw_groups()
        size = self.identities_per_batch
        for batch in range(self.rank, self._length * self.num_replicas, self.num_replicas):
            chosen = groups[batch * size : (batch + 1) * size]
            yield [row for group in chosen for row in group]

    def _draw_groups(self) -> list[list[int]]:
        """Return this epoch's groups in order, the same on every process."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        size = self.images_per_identity
        placed: list[tuple[float, list[int]]] = []
        for rows in self._rows:
            count = -(-len(rows) // size)
            shuffled = rows[torch.randperm(len(rows), generator=generator)]
            filled = shuffled.repeat(-(-count * size // len(rows)))[: count * size]
            # Group j of n stands at a random place within the j-th n-th of the epoch.
            places = (torch.arange(count) + torch.rand(count, generator=generator)) / count
            placed += zip(places.tolist(), filled.view(count, size).tolist(), strict=True)
        return [group for _, group in sorted(placed)]
