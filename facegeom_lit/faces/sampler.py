"""Batches that hold several variations of an identity together."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor
from torch.utils.data import Sampler

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.identities import rows_by_identity


class IdentityBatchSampler(Sampler[list[int]]):
    """Draws batches of `identities_per_batch` groups of `images_per_identity` images.

    In an epoch the images of an identity are shuffled and cut into groups; the last group is
    filled up with images of the same identity, so identities with few images repeat them. Each
    identity's groups are spread evenly over the epoch, and a batch holds no identity twice as long
    as `identities_per_batch` of them have groups left. What fills no batch on every process is
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
        unit: What a row is, for messages.
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
        unit: str = "image",
        on_epoch: Callable[[int], None] | None = None,
    ) -> None:
        if identities_per_batch < 1 or images_per_identity < 2:
            raise FaceGeomError(
                "A batch needs training.identities_per_batch ≥ 1 and training.images_per_identity "
                f"≥ 2, got {identities_per_batch} and {images_per_identity}."
            )
        self._rows = rows_by_identity(labels)
        for label, rows in self._rows.items():
            if len(rows) < 2:
                name = names[label] if names else label
                raise FaceGeomError(
                    f"Identity {name!r} has one {unit}: it has no variations to hold together. Add "
                    "images of it, or leave such identities out with data.min_images=2."
                )
        self.identities_per_batch = identities_per_batch
        self.images_per_identity = images_per_identity
        self.seed = seed
        self.num_replicas = num_replicas
        self.rank = rank
        self._on_epoch = on_epoch
        self._groups = sum(-(-len(rows) // images_per_identity) for rows in self._rows.values())
        self._length = self._groups // (identities_per_batch * num_replicas)
        if self._length == 0:
            raise FaceGeomError(
                f"{len(self._rows)} identities give {self._groups} groups of {images_per_identity} "
                f"{unit}s, too few for batches of {identities_per_batch} groups on {num_replicas} "
                "process(es). Lower training.identities_per_batch."
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
        placed: list[tuple[float, int, list[int]]] = []
        for label, rows in self._rows.items():
            count = -(-len(rows) // size)
            shuffled = rows[torch.randperm(len(rows), generator=generator)]
            filled = shuffled.repeat(-(-count * size // len(rows)))[: count * size]
            # Group j of n stands at a random place within the j-th n-th of the epoch.
            places = (torch.arange(count) + torch.rand(count, generator=generator)) / count
            groups = filled.view(count, size).tolist()
            placed += zip(places.tolist(), [label] * count, groups, strict=True)
        ordered = [(label, group) for _, label, group in sorted(placed)]
        return _keep_apart(ordered, self.identities_per_batch)


def _keep_apart(groups: list[tuple[int, list[int]]], size: int) -> list[list[int]]:
    """Order groups so that batches of `size` hold no identity twice while `size` have groups left.

    A group whose identity is in the batch already waits for the next batch.
    """
    ordered: list[list[int]] = []
    coming = iter(groups)
    waiting: dict[int, deque[list[int]]] = defaultdict(deque)
    while len(ordered) < len(groups):
        batch: dict[int, list[int]] = {}
        for label in list(islice(waiting, size)):
            batch[label] = waiting[label].popleft()
            if not waiting[label]:
                del waiting[label]
        while len(batch) < size and (following := next(coming, None)) is not None:
            label, group = following
            if label in batch:
                waiting[label].append(group)
            else:
                batch[label] = group
        ordered += batch.values()
    return ordered
