"""Class centres that begin where the people already are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor

from facegeom_lit.errors import FaceGeomError
from facegeom_lit.faces.face_set import FaceSet
from facegeom_lit.faces.identities import rows_by_identity
from facegeom_lit.models.embed import embed
from facegeom_lit.training.fine_tune import FineTuneModule


class ClassMeanHead(L.Callback):
    """Puts each class centre at the mean embedding of its person before the first step.

    Released weights come without their head. Random centres begin at a loss far above that of
    chance (the margin and the scale multiply it) and their gradient tears at a good backbone; the
    mean of a person's normalised embeddings is where a trained centre would stand (compare Qi et
    al., "Low-Shot Learning with Imprinted Weights", CVPR 2018). The loss of the first batch is said
    and logged as `train/first_loss`.

    A backbone with fresh weights embeds everybody alike, so its head keeps its random centres.

    Args:
        images: Images of each person that are averaged, evenly spread over the person's; 0 keeps
            random centres.

    Raises:
        FaceGeomError: When `images` is negative.
    """

    def __init__(self, images: int = 4) -> None:
        if images < 0:
            raise FaceGeomError(
                f"callbacks.class_mean_head.images must be 0 or more, got {images}."
            )
        self.images = images
        self._centers = "random centres"

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compute the centres, shared out among the processes; not in a run that continues."""
        assert isinstance(pl_module, FineTuneModule)
        if trainer.ckpt_path is not None or not self.images or not pl_module.model.card.hash:
            return
        faces = trainer.datamodule.training  # type: ignore[attr-defined]
        head = pl_module.head
        sums = class_sums(
            pl_module, faces, self.images, share=(trainer.global_rank, trainer.world_size)
        )
        sums = cast(Tensor, trainer.strategy.reduce(sums, reduce_op="sum"))
        with torch.no_grad():
            head.centers.copy_(F.normalize(sums))  # type: ignore[operator]
        self._centers = f"centres at class means ({self.images} images a person)"

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Say the first batch's loss."""
        if trainer.global_step > 1 or batch_idx > 0 or trainer.current_epoch > 0:
            return
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        loss = loss * trainer.accumulate_grad_batches  # which Lightning has divided it by
        classes = len(trainer.datamodule.training.classes)  # type: ignore[attr-defined]
        pl_module.log("train/first_loss", loss, batch_size=1)
        trainer.print(
            f"first loss {float(loss):.2f} with {self._centers}; a guess among {classes} people "
            f"would give {math.log(classes):.2f}"
        )


@torch.no_grad()
def class_sums(
    module: FineTuneModule, faces: FaceSet, images: int, share: tuple[int, int] = (0, 1)
) -> Tensor:
    """Sum the normalised embeddings of some images of each person.

    Args:
        module: Embeds, on its device.
        faces: The training faces, K people.
        images: Images of each person, at most.
        share: This process's number and how many there are; the sums add up over processes.

    Returns:
        Sums (K, D), on the module's device.
    """
    rows = torch.cat(
        [
            own[torch.linspace(0, len(own) - 1, min(images, len(own))).round().long()]
            for own in rows_by_identity(faces.labels).values()
        ]
    )[share[0] :: share[1]]
    sums = torch.zeros(len(faces.classes), module.model.card.dimension, device=module.device)
    if len(rows):
        embeddings = F.normalize(embed(module.model, faces.select(rows))).to(module.device)
        sums.index_add_(0, faces.labels[rows].to(module.device), embeddings)
    return sums
