"""Face sets to batches: one for training, any number for evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.curve_sampler import CurveBatchSampler
from facegeom_lit.faces.dataset import FaceDataset
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.sampler import IdentityBatchSampler
from facegeom_lit.faces.transforms import Transform

FaceLoader = DataLoader[dict[str, Tensor]]


class FaceDataModule(lightning.LightningDataModule):
    """Loads a training set by identity groups and evaluation sets in their own order.

    Batches are split among processes here and not by Lightning, which does not know identity
    groups: the trainer must have `use_distributed_sampler=False`.

    Args:
        training: Faces to train on, or None where there is only evaluation.
        evaluation: Name → faces, embedded in validation and test in this order.
        attribute: The targeted attribute, see `FaceDataset`.
        identities_per_batch: Identity groups in a training batch.
        images_per_identity: Images in a group.
        curves: int64 (C, 3) rows of the training set's curves; batches then hold whole curves, and
            the images of an identity are changed alike, so that nothing but the attribute moves
            along a curve. None: images in any order.
        curves_per_identity: Curves in a group, where there are curves.
        evaluation_batch_size: Images in an evaluation batch.
        transform: Change made to training images.
        workers: Processes that decode; 0 decodes in the main process.
        seed: Decides batches and transforms.
        cache_mib: See `FaceDataset`.

    Attributes:
        evaluation_names: Name of each evaluation loader, by `dataloader_idx`.
    """

    def __init__(
        self,
        training: FaceSet | None,
        evaluation: Mapping[str, FaceSet] | None = None,
        *,
        attribute: str | None = None,
        identities_per_batch: int = 16,
        images_per_identity: int = 4,
        curves: Tensor | None = None,
        curves_per_identity: int = 4,
        evaluation_batch_size: int = 128,
        transform: Transform | None = None,
        workers: int = 0,
        seed: int = 0,
        cache_mib: int = 1024,
    ) -> None:
        super().__init__()
        self.training = training
        self.evaluation = dict(evaluation or {})
        self.evaluation_names = list(self.evaluation)
        self.identities_per_batch = identities_per_batch
        self.images_per_identity = images_per_identity
        self.curves = curves
        self.curves_per_identity = curves_per_identity
        self.evaluation_batch_size = evaluation_batch_size
        self.workers = workers
        self.seed = seed
        self._datasets = {
            name: FaceDataset(faces, attribute=attribute, cache_mib=cache_mib)
            for name, faces in self.evaluation.items()
        }
        self._training_dataset = (
            None
            if training is None
            else FaceDataset(
                training,
                transform,
                attribute=attribute,
                seed=seed,
                alike=None if curves is None else training.labels,
                cache_mib=cache_mib,
            )
        )

    def train_dataloader(self) -> FaceLoader:
        """Return the loader of identity groups for this process.

        Raises:
            FaceGeomError: When there is no training set, it does not fill a batch, or an identity
                has one image.
        """
        if self.training is None or self._training_dataset is None:
            raise FaceGeomError("This data has no training set. Set data.root, or only evaluate.")
        return DataLoader(
            self._training_dataset,
            batch_sampler=self._sampler(self.training, self._training_dataset),
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )

    def _sampler(self, faces: FaceSet, dataset: FaceDataset) -> IdentityBatchSampler:
        replicas, rank = self._processes()
        shared: dict[str, Any] = {
            "seed": self.seed,
            "num_replicas": replicas,
            "rank": rank,
            "names": faces.classes,
            "on_epoch": dataset.set_epoch,
        }
        labels, people = faces.labels, self.identities_per_batch
        if self.curves is None:
            return IdentityBatchSampler(labels, people, self.images_per_identity, **shared)
        return CurveBatchSampler(labels, self.curves, people, self.curves_per_identity, **shared)

    def val_dataloader(self) -> list[FaceLoader]:
        """Return one loader for each evaluation set, in the order of `evaluation_names`.

        On several processes the sets are shared out and padded to equal parts; whoever collects
        embeddings removes repeated rows by `INDEX`.
        """
        replicas, rank = self._processes()
        return [
            DataLoader(
                dataset,
                batch_size=self.evaluation_batch_size,
                sampler=DistributedSampler(dataset, replicas, rank, shuffle=False)
                if replicas > 1
                else None,
                num_workers=self.workers,
                persistent_workers=self.workers > 0,
            )
            for dataset in self._datasets.values()
        ]

    def test_dataloader(self) -> list[FaceLoader]:
        """Return the loaders of `val_dataloader`."""
        return self.val_dataloader()

    def _processes(self) -> tuple[int, int]:
        """Return how many processes there are, and which this one is."""
        trainer = self.trainer
        return (trainer.world_size, trainer.global_rank) if trainer is not None else (1, 0)
